"""Diffusion models: networks, parametrizations that turn them into scores, and dequantizers."""

from gradlog.models.bound_model import BoundModel as BoundModel
from gradlog.models.classifier import (
    ClassifierNetwork as ClassifierNetwork,
    NoisyClassifier as NoisyClassifier,
)
from gradlog.models.dequantizers import (
    Centers as Centers,
    Continuous as Continuous,
    Decoder as Decoder,
    Dequantizer as Dequantizer,
    Scaled as Scaled,
    Tokens as Tokens,
    TruncatedNormal as TruncatedNormal,
    Uniform as Uniform,
)
from gradlog.models.diffusion_model import DiffusionModel as DiffusionModel, Params as Params
from gradlog.models.energy import Energy as Energy
from gradlog.models.networks import NETWORKS as NETWORKS
from gradlog.models.noise_labels import (
    LadderIndex as LadderIndex,
    NoiseLevel as NoiseLevel,
    NoLabel as NoLabel,
    NormalizedGamma as NormalizedGamma,
    QuarterLogRho as QuarterLogRho,
    ScaledTime as ScaledTime,
    StepIndex as StepIndex,
)
from gradlog.models.parametrizations import (
    Datum as Datum,
    LevelLogits as LevelLogits,
    Logits as Logits,
    Noise as Noise,
    Parametrization as Parametrization,
    Preconditioned as Preconditioned,
    Score as Score,
    Velocity as Velocity,
)
from gradlog.models.variational_dequantizer import Variational as Variational

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
