"""Samplers: each carries a draw of the prior to a sample of the data."""

from sampling.annealed_langevin import AnnealedLangevin
from sampling.base import Corrector, Predictor, Sample, Sampler
from sampling.correctors import Langevin, NoCorrector
from sampling.langevin import LangevinDynamics
from sampling.predictor_corrector import PredictorCorrector
from sampling.predictors import EulerMaruyama, ReverseDiffusion
from sampling.probability_flow import ProbabilityFlow

PREDICTORS: dict[str, type] = {
    "euler_maruyama": EulerMaruyama,
    "reverse_diffusion": ReverseDiffusion,
}
CORRECTORS: dict[str, type] = {"langevin": Langevin, "none": NoCorrector}
SAMPLERS: dict[str, type] = {
    "annealed_langevin": AnnealedLangevin,
    "langevin": LangevinDynamics,
    "predictor_corrector": PredictorCorrector,
    "probability_flow": ProbabilityFlow,
}

__all__ = [
    "CORRECTORS",
    "PREDICTORS",
    "SAMPLERS",
    "AnnealedLangevin",
    "Corrector",
    "EulerMaruyama",
    "Langevin",
    "LangevinDynamics",
    "NoCorrector",
    "Predictor",
    "PredictorCorrector",
    "ProbabilityFlow",
    "ReverseDiffusion",
    "Sample",
    "Sampler",
]
