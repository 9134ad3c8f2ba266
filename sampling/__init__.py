"""Samplers: each turns a sample of the prior into a sample of the data."""

from gradlog.sampling.base import Corrector as Corrector
from gradlog.sampling.base import Density as Density
from gradlog.sampling.base import Predictor as Predictor
from gradlog.sampling.base import Sample as Sample
from gradlog.sampling.base import Sampler as Sampler
from gradlog.sampling.chain import ChainReverse as ChainReverse
from gradlog.sampling.correctors import AnnealedLangevinDynamics as AnnealedLangevinDynamics
from gradlog.sampling.correctors import Langevin as Langevin
from gradlog.sampling.correctors import NoCorrector as NoCorrector
from gradlog.sampling.ddim import DDIM as DDIM
from gradlog.sampling.dpm_solver import DPMSolver2M as DPMSolver2M
from gradlog.sampling.dpm_solver import DPMSolver3M as DPMSolver3M
from gradlog.sampling.dpm_solver import DPMSolverSDE as DPMSolverSDE
from gradlog.sampling.guidance import GUIDANCES as GUIDANCES
from gradlog.sampling.guidance import ClassifierFree as ClassifierFree
from gradlog.sampling.guidance import ClassifierGuidance as ClassifierGuidance
from gradlog.sampling.guidance import Guidance as Guidance
from gradlog.sampling.guidance import NoGuidance as NoGuidance
from gradlog.sampling.guidance import classifier_free_score as classifier_free_score
from gradlog.sampling.guidance import classifier_score as classifier_score
from gradlog.sampling.heun import Heun as Heun
from gradlog.sampling.langevin import STARTS as STARTS
from gradlog.sampling.langevin import AnnealedLangevin as AnnealedLangevin
from gradlog.sampling.langevin import FromData as FromData
from gradlog.sampling.langevin import LangevinDynamics as LangevinDynamics
from gradlog.sampling.neural import NeuralReverse as NeuralReverse
from gradlog.sampling.predictor_corrector import PredictorCorrector as PredictorCorrector
from gradlog.sampling.predictors import Ancestral as Ancestral
from gradlog.sampling.predictors import EulerMaruyama as EulerMaruyama
from gradlog.sampling.predictors import NoPredictor as NoPredictor
from gradlog.sampling.predictors import ReverseDiffusion as ReverseDiffusion
from gradlog.sampling.probability_flow import Encoding as Encoding
from gradlog.sampling.probability_flow import ProbabilityFlow as ProbabilityFlow
from gradlog.sampling.projections import MASKS as MASKS
from gradlog.sampling.projections import Gray as Gray
from gradlog.sampling.projections import KnownPixels as KnownPixels
from gradlog.sampling.projections import Projection as Projection
from gradlog.sampling.replacement import KnownPart as KnownPart
from gradlog.sampling.replacement import ReplacementSampler as ReplacementSampler
from gradlog.sampling.replacing import AncestralReplacing as AncestralReplacing
from gradlog.sampling.schedules import TIME_SCHEDULES as TIME_SCHEDULES
from gradlog.sampling.schedules import KarrasSchedule as KarrasSchedule
from gradlog.sampling.schedules import LogSNRSchedule as LogSNRSchedule
from gradlog.sampling.schedules import QuadraticSchedule as QuadraticSchedule
from gradlog.sampling.schedules import Schedule as Schedule
from gradlog.sampling.schedules import UniformSchedule as UniformSchedule
from gradlog.sampling.unmasking import AncestralUnmasking as AncestralUnmasking
from gradlog.sampling.unmasking import ConfidenceOrder as ConfidenceOrder
from gradlog.sampling.unmasking import FirstHitting as FirstHitting
from gradlog.sampling.unmasking import KnownTokens as KnownTokens
from gradlog.sampling.unmasking import LevelUnmasking as LevelUnmasking
from gradlog.sampling.unmasking import Remasking as Remasking
from gradlog.sampling.unmasking import ReverseChain as ReverseChain
from gradlog.sampling.unmasking import Unmasking as Unmasking
from gradlog.sampling.unmasking import draw_tokens as draw_tokens
from gradlog.sampling.unmasking import sharpen as sharpen
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
