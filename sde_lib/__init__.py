"""Forward processes, continuous and discrete.

To add one, write a file with a subclass of ``SDE`` or ``Discrete`` and add a line here.
"""

from gradlog.sde_lib.base import (
    SDE,
    GaussianPath,
    Kind,
    Process,
    check_eps,
    check_process,
    derivative,
    sum_over,
)
from gradlog.sde_lib.bases import Basis, Frequencies, Pixels, Reflections
from gradlog.sde_lib.blurring import Blurring
from gradlog.sde_lib.ddpm import DDPM
from gradlog.sde_lib.discrete import Absorbing, Discrete, JumpProcess
from gradlog.sde_lib.learned import LearnedNumbers
from gradlog.sde_lib.learned_affine import AffinePath, LearnedAffine
from gradlog.sde_lib.learned_drift import DriftChain, LearnedDrift
from gradlog.sde_lib.learned_gamma import GammaPath, LearnedGamma
from gradlog.sde_lib.level_masking import LearnedMasking, LevelMasking
from gradlog.sde_lib.log_snr import LogSNR
from gradlog.sde_lib.masking import MASK_SCHEDULES, Masking, grid_of_times
from gradlog.sde_lib.multivariate import LatentPath, Multivariate, PixelGammaPath
from gradlog.sde_lib.neural import ConditionalPath, Neural, NeuralPath, linear_moments
from gradlog.sde_lib.one_position import OnePosition
from gradlog.sde_lib.straight import Straight
from gradlog.sde_lib.subvp import SubVP
from gradlog.sde_lib.uniform import Uniform
from gradlog.sde_lib.ve import VE
from gradlog.sde_lib.vp import VP

SDES: dict[str, type[SDE]] = {
    "ddpm": DDPM,
    "log_snr": LogSNR,
    "straight": Straight,
    "subvp": SubVP,
    "ve": VE,
    "vp": VP,
}
# Fixed paths with noise levels of each dimension.
BY_DIMENSION: dict[str, type[GaussianPath]] = {"blurring": Blurring}
# Processes with trained numbers: their ``bind`` returns a path, or one for each latent or datum.
LEARNED: dict[str, type[Process]] = {
    "learned_affine": LearnedAffine,
    "learned_drift": LearnedDrift,
    "learned_gamma": LearnedGamma,
    "multivariate": Multivariate,
    "neural": Neural,
}
DISCRETE_PROCESSES: dict[str, type[Discrete]] = {
    "learned_masking": LearnedMasking,
    "masking": Masking,
    "one_position": OnePosition,
    "uniform": Uniform,
}

__all__ = [
    "BY_DIMENSION",
    "DDPM",
    "DISCRETE_PROCESSES",
    "LEARNED",
    "MASK_SCHEDULES",
    "SDE",
    "SDES",
    "VE",
    "VP",
    "Absorbing",
    "AffinePath",
    "Basis",
    "Blurring",
    "ConditionalPath",
    "Discrete",
    "DriftChain",
    "Frequencies",
    "GammaPath",
    "GaussianPath",
    "JumpProcess",
    "Kind",
    "LatentPath",
    "LearnedAffine",
    "LearnedDrift",
    "LearnedGamma",
    "LearnedMasking",
    "LearnedNumbers",
    "LevelMasking",
    "LogSNR",
    "Masking",
    "Multivariate",
    "Neural",
    "NeuralPath",
    "OnePosition",
    "PixelGammaPath",
    "Pixels",
    "Process",
    "Reflections",
    "Straight",
    "SubVP",
    "Uniform",
    "check_eps",
    "check_process",
    "derivative",
    "grid_of_times",
    "linear_moments",
    "sum_over",
]
