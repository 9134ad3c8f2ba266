"""Diffusion models: networks, parametrizations that turn them into scores, and dequantizers."""

from gradlog.models.bound_model import BoundModel as BoundModel
from gradlog.models.classifier import ClassifierNetwork as ClassifierNetwork
from gradlog.models.classifier import NoisyClassifier as NoisyClassifier
from gradlog.models.dequantizers import Centers as Centers
from gradlog.models.dequantizers import Continuous as Continuous
from gradlog.models.dequantizers import Decoder as Decoder
from gradlog.models.dequantizers import Dequantizer as Dequantizer
from gradlog.models.dequantizers import Scaled as Scaled
from gradlog.models.dequantizers import Tokens as Tokens
from gradlog.models.dequantizers import TruncatedNormal as TruncatedNormal
from gradlog.models.dequantizers import Uniform as Uniform
from gradlog.models.diffusion_model import DiffusionModel as DiffusionModel
from gradlog.models.diffusion_model import Params as Params
from gradlog.models.energy import Energy as Energy
from gradlog.models.networks import NETWORKS as NETWORKS
from gradlog.models.noise_labels import LadderIndex as LadderIndex
from gradlog.models.noise_labels import NoiseLevel as NoiseLevel
from gradlog.models.noise_labels import NoLabel as NoLabel
from gradlog.models.noise_labels import NormalizedGamma as NormalizedGamma
from gradlog.models.noise_labels import QuarterLogRho as QuarterLogRho
from gradlog.models.noise_labels import ScaledTime as ScaledTime
from gradlog.models.noise_labels import StepIndex as StepIndex
from gradlog.models.parametrizations import Datum as Datum
from gradlog.models.parametrizations import LevelLogits as LevelLogits
from gradlog.models.parametrizations import Logits as Logits
from gradlog.models.parametrizations import Noise as Noise
from gradlog.models.parametrizations import Parametrization as Parametrization
from gradlog.models.parametrizations import Preconditioned as Preconditioned
from gradlog.models.parametrizations import Score as Score
from gradlog.models.parametrizations import Velocity as Velocity
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
