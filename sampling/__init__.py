"""Samplers: each turns a sample of the prior into a sample of the data."""

from gradlog.sampling.base import (
    Corrector as Corrector,
    Density as Density,
    Predictor as Predictor,
    Sample as Sample,
    Sampler as Sampler,
)
from gradlog.sampling.chain import ChainReverse as ChainReverse
from gradlog.sampling.correctors import (
    AnnealedLangevinDynamics as AnnealedLangevinDynamics,
    Langevin as Langevin,
    NoCorrector as NoCorrector,
)
from gradlog.sampling.ddim import DDIM as DDIM
from gradlog.sampling.dpm_solver import (
    DPMSolver2M as DPMSolver2M,
    DPMSolver3M as DPMSolver3M,
    DPMSolverSDE as DPMSolverSDE,
)
from gradlog.sampling.guidance import (
    GUIDANCES as GUIDANCES,
    ClassifierFree as ClassifierFree,
    ClassifierGuidance as ClassifierGuidance,
    Guidance as Guidance,
    NoGuidance as NoGuidance,
    classifier_free_score as classifier_free_score,
    classifier_score as classifier_score,
)
from gradlog.sampling.heun import Heun as Heun
from gradlog.sampling.langevin import (
    STARTS as STARTS,
    AnnealedLangevin as AnnealedLangevin,
    FromData as FromData,
    LangevinDynamics as LangevinDynamics,
)
from gradlog.sampling.neural import NeuralReverse as NeuralReverse
from gradlog.sampling.predictor_corrector import PredictorCorrector as PredictorCorrector
from gradlog.sampling.predictors import (
    Ancestral as Ancestral,
    EulerMaruyama as EulerMaruyama,
    NoPredictor as NoPredictor,
    ReverseDiffusion as ReverseDiffusion,
)
from gradlog.sampling.probability_flow import (
    Encoding as Encoding,
    ProbabilityFlow as ProbabilityFlow,
)
from gradlog.sampling.projections import (
    MASKS as MASKS,
    Gray as Gray,
    KnownPixels as KnownPixels,
    Projection as Projection,
)
from gradlog.sampling.replacement import (
    KnownPart as KnownPart,
    ReplacementSampler as ReplacementSampler,
)
from gradlog.sampling.replacing import AncestralReplacing as AncestralReplacing
from gradlog.sampling.schedules import (
    TIME_SCHEDULES as TIME_SCHEDULES,
    KarrasSchedule as KarrasSchedule,
    LogSNRSchedule as LogSNRSchedule,
    QuadraticSchedule as QuadraticSchedule,
    Schedule as Schedule,
    UniformSchedule as UniformSchedule,
)
from gradlog.sampling.unmasking import (
    AncestralUnmasking as AncestralUnmasking,
    ConfidenceOrder as ConfidenceOrder,
    FirstHitting as FirstHitting,
    KnownTokens as KnownTokens,
    LevelUnmasking as LevelUnmasking,
    Remasking as Remasking,
    ReverseChain as ReverseChain,
    Unmasking as Unmasking,
    draw_tokens as draw_tokens,
    sharpen as sharpen,
)
from gradlog.sde_lib import Kind

PREDICTORS: dict[str, type] = {
    "ancestral": Ancestral,
    "euler_maruyama": EulerMaruyama,
    "none": NoPredictor,
    "reverse_diffusion": ReverseDiffusion,
}
CORRECTORS: dict[str, type] = {
    "ald": AnnealedLangevinDynamics,
    "langevin": Langevin,
    "none": NoCorrector,
}
SAMPLERS: dict[str, type] = {
    "annealed_langevin": AnnealedLangevin,
    "ddim": DDIM,
    "dpm_2m": DPMSolver2M,
    "dpm_3m": DPMSolver3M,
    "dpm_sde": DPMSolverSDE,
    "heun": Heun,
    "langevin": LangevinDynamics,
    "predictor_corrector": PredictorCorrector,
    "probability_flow": ProbabilityFlow,
}
SAMPLERS_BY_KIND: dict[Kind, dict[str, type]] = {
    "gaussian": SAMPLERS,
    "masks": {
        "ancestral": AncestralUnmasking,
        "confidence": ConfidenceOrder,
        "first_hitting": FirstHitting,
        "remdm": Remasking,
        "reverse_chain": ReverseChain,
    },
    "level_masks": {"ancestral": LevelUnmasking},
    "replacements": {"ancestral": AncestralReplacing},
    "neural": {"neural_reverse": NeuralReverse},
    "chain": {"chain_reverse": ChainReverse},
}
