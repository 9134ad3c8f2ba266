"""Networks, and what turns a network into a score function."""

from models.energy import Energy
from models.labels import LadderIndex, NoiseLevel, QuarterLogRho, ScaledTime
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
    "ladder": LadderIndex,
    "log_rho": QuarterLogRho,
    "sigma": NoiseLevel,
    "time": ScaledTime,
}

__all__ = [
    "LABELS",
    "NETWORKS",
    "PARAMETRISATIONS",
    "Energy",
    "LadderIndex",
    "Noise",
    "NoiseLevel",
    "Parametrisation",
    "Preconditioned",
    "QuarterLogRho",
    "ScaledTime",
    "Score",
    "ScoreModel",
    "Velocity",
]
