"""Samplers: each turns a sample of the prior into a sample of the data."""

from gradlog.sampling.base import Corrector, Density, Predictor, Sample, Sampler
from gradlog.sampling.chain import ChainReverse
from gradlog.sampling.correctors import AnnealedLangevinDynamics, Langevin, NoCorrector
from gradlog.sampling.ddim import DDIM
from gradlog.sampling.dpm_solver import DPMSolver2M, DPMSolver3M, DPMSolverSDE
from gradlog.sampling.guidance import (
    GUIDANCES,
    ClassifierFree,
    ClassifierGuidance,
    Guidance,
    NoGuidance,
    classifier_free_score,
    classifier_score,
)
from gradlog.sampling.heun import Heun
from gradlog.sampling.langevin import STARTS, AnnealedLangevin, FromData, LangevinDynamics
from gradlog.sampling.neural import NeuralReverse
from gradlog.sampling.predictor_corrector import PredictorCorrector
from gradlog.sampling.predictors import Ancestral, EulerMaruyama, NoPredictor, ReverseDiffusion
from gradlog.sampling.probability_flow import Encoding, ProbabilityFlow
from gradlog.sampling.projections import MASKS, Gray, KnownPixels, Projection
from gradlog.sampling.replacement import KnownPart, ReplacementSampler
from gradlog.sampling.replacing import AncestralReplacing
from gradlog.sampling.schedules import (
    TIME_SCHEDULES,
    KarrasSchedule,
    LogSNRSchedule,
    QuadraticSchedule,
    Schedule,
    UniformSchedule,
)
from gradlog.sampling.unmasking import (
    AncestralUnmasking,
    ConfidenceOrder,
    FirstHitting,
    KnownTokens,
    LevelUnmasking,
    Remasking,
    ReverseChain,
    Unmasking,
    draw_tokens,
    sharpen,
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

__all__ = [
    "CORRECTORS",
    "DDIM",
    "GUIDANCES",
    "MASKS",
    "PREDICTORS",
    "SAMPLERS",
    "SAMPLERS_BY_KIND",
    "STARTS",
    "TIME_SCHEDULES",
    "Ancestral",
    "AncestralReplacing",
    "AncestralUnmasking",
    "AnnealedLangevin",
    "AnnealedLangevinDynamics",
    "ChainReverse",
    "ClassifierFree",
    "ClassifierGuidance",
    "ConfidenceOrder",
    "Corrector",
    "DPMSolver2M",
    "DPMSolver3M",
    "DPMSolverSDE",
    "Density",
    "Encoding",
    "EulerMaruyama",
    "FirstHitting",
    "FromData",
    "Gray",
    "Guidance",
    "Heun",
    "KarrasSchedule",
    "KnownPart",
    "KnownPixels",
    "KnownTokens",
    "Langevin",
    "LangevinDynamics",
    "LevelUnmasking",
    "LogSNRSchedule",
    "NeuralReverse",
    "NoCorrector",
    "NoGuidance",
    "NoPredictor",
    "Predictor",
    "PredictorCorrector",
    "ProbabilityFlow",
    "Projection",
    "QuadraticSchedule",
    "Remasking",
    "ReplacementSampler",
    "ReverseChain",
    "ReverseDiffusion",
    "Sample",
    "Sampler",
    "Schedule",
    "UniformSchedule",
    "Unmasking",
    "classifier_free_score",
    "classifier_score",
    "draw_tokens",
    "sharpen",
]
