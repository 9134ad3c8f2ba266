"""Networks, and what turns a network into a score function."""

from models.classifier import ClassifierNetwork, NoisyClassifier
from models.energy import Energy
from models.labels import (
    LadderIndex,
    NoiseLevel,
    NormalisedGamma,
    QuarterLogRho,
    ScaledTime,
    StepIndex,
)
from models.networks import NETWORKS
from models.parametrisations import Noise, Parametrisation, Preconditioned, Score, Velocity
from models.score_model import ScoreModel

PARAMETRISATIONS: dict[str, type] = {
    "energy": Energy,
    "noise": Noise,
    "preconditioned": Preconditioned,
    "score": Score,
    "velocity": Velocity,
}
LABELS: dict[str, type] = {
    "gamma": NormalisedGamma,
    "ladder": LadderIndex,
    "log_rho": QuarterLogRho,
    "sigma": NoiseLevel,
    "step": StepIndex,
    "time": ScaledTime,
}

__all__ = [
    "LABELS",
    "NETWORKS",
    "PARAMETRISATIONS",
    "ClassifierNetwork",
    "Energy",
    "LadderIndex",
    "Noise",
    "NoiseLevel",
    "NoisyClassifier",
    "NormalisedGamma",
    "Parametrisation",
    "Preconditioned",
    "QuarterLogRho",
    "ScaledTime",
    "Score",
    "ScoreModel",
    "StepIndex",
    "Velocity",
]
