"""Networks, and what turns a network into a score function."""

from gradlog.models.classifier import ClassifierNetwork, NoisyClassifier
from gradlog.models.energy import Energy
from gradlog.models.labels import (
    LadderIndex,
    NoiseLevel,
    NormalizedGamma,
    QuarterLogRho,
    ScaledTime,
    StepIndex,
)
from gradlog.models.networks import NETWORKS
from gradlog.models.parametrizations import Noise, Parametrization, Preconditioned, Score, Velocity
from gradlog.models.score_model import ScoreModel

PARAMETRIZATIONS: dict[str, type] = {
    "energy": Energy,
    "noise": Noise,
    "preconditioned": Preconditioned,
    "score": Score,
    "velocity": Velocity,
}
LABELS: dict[str, type] = {
    "gamma": NormalizedGamma,
    "ladder": LadderIndex,
    "log_rho": QuarterLogRho,
    "sigma": NoiseLevel,
    "step": StepIndex,
    "time": ScaledTime,
}

__all__ = [
    "LABELS",
    "NETWORKS",
    "PARAMETRIZATIONS",
    "ClassifierNetwork",
    "Energy",
    "LadderIndex",
    "Noise",
    "NoiseLevel",
    "NoisyClassifier",
    "NormalizedGamma",
    "Parametrization",
    "Preconditioned",
    "QuarterLogRho",
    "ScaledTime",
    "Score",
    "ScoreModel",
    "StepIndex",
    "Velocity",
]
