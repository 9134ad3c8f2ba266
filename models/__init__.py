"""Networks, and what turns a network into a score function."""

from models.labels import LabelFn, noise_level, quarter_log_rho, scaled_time
from models.networks import NETWORKS
from models.parametrisations import Noise, Parametrisation, Preconditioned, Score, Velocity
from models.score_model import ScoreModel

PARAMETRISATIONS: dict[str, type] = {
    "noise": Noise,
    "preconditioned": Preconditioned,
    "score": Score,
    "velocity": Velocity,
}
LABELS: dict[str, LabelFn] = {
    "log_rho": quarter_log_rho,
    "sigma": noise_level,
    "time": scaled_time,
}

__all__ = [
    "LABELS",
    "NETWORKS",
    "PARAMETRISATIONS",
    "Noise",
    "Parametrisation",
    "Preconditioned",
    "Score",
    "ScoreModel",
    "Velocity",
]
