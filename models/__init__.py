"""Diffusion models: networks, parametrizations that turn them into scores, and dequantizers."""

from gradlog.models.bound_model import BoundModel
from gradlog.models.classifier import ClassifierNetwork, NoisyClassifier
from gradlog.models.dequantizers import (
    Centers,
    Continuous,
    Decoder,
    Dequantizer,
    Scaled,
    Tokens,
    TruncatedNormal,
    Uniform,
)
from gradlog.models.diffusion_model import DiffusionModel, Params
from gradlog.models.energy import Energy
from gradlog.models.networks import NETWORKS
from gradlog.models.noise_labels import (
    LadderIndex,
    NoiseLevel,
    NoLabel,
    NormalizedGamma,
    QuarterLogRho,
    ScaledTime,
    StepIndex,
)
from gradlog.models.parametrizations import (
    Datum,
    LevelLogits,
    Logits,
    Noise,
    Parametrization,
    Preconditioned,
    Score,
    Velocity,
)
from gradlog.models.variational_dequantizer import Variational

PARAMETRIZATIONS: dict[str, type] = {
    "energy": Energy,
    "levels": LevelLogits,
    "noise": Noise,
    "preconditioned": Preconditioned,
    "score": Score,
    "velocity": Velocity,
}
NOISE_LABELS: dict[str, type] = {
    "gamma": NormalizedGamma,
    "ladder": LadderIndex,
    "log_rho": QuarterLogRho,
    "sigma": NoiseLevel,
    "step": StepIndex,
    "time": ScaledTime,
}

# Dequantizers with a log q, which a likelihood can count.
DEQUANTIZERS: dict[str, type] = {
    "decoder": Decoder,
    "truncated_normal": TruncatedNormal,
    "uniform": Uniform,
    "variational": Variational,
}
# Dequantizers for training.
TRAINING_DEQUANTIZERS: dict[str, type] = {
    "centers": Centers,
    "scaled": Scaled,
    "uniform": Uniform,
    "variational": Variational,
}

__all__ = [
    "DEQUANTIZERS",
    "NETWORKS",
    "NOISE_LABELS",
    "PARAMETRIZATIONS",
    "TRAINING_DEQUANTIZERS",
    "BoundModel",
    "Centers",
    "ClassifierNetwork",
    "Continuous",
    "Datum",
    "Decoder",
    "Dequantizer",
    "DiffusionModel",
    "Energy",
    "LadderIndex",
    "LevelLogits",
    "Logits",
    "NoLabel",
    "Noise",
    "NoiseLevel",
    "NoisyClassifier",
    "NormalizedGamma",
    "Parametrization",
    "Params",
    "Preconditioned",
    "QuarterLogRho",
    "Scaled",
    "ScaledTime",
    "Score",
    "StepIndex",
    "Tokens",
    "TruncatedNormal",
    "Uniform",
    "Variational",
    "Velocity",
]
