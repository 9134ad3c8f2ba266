"""Forward processes, continuous and discrete.

To add one, write a file with a subclass of ``SDE`` or ``Discrete`` and add a line here.
"""

from gradlog.sde_lib.base import SDE as SDE
from gradlog.sde_lib.base import GaussianPath as GaussianPath
from gradlog.sde_lib.base import Kind as Kind
from gradlog.sde_lib.base import Process as Process
from gradlog.sde_lib.base import check_process as check_process
from gradlog.sde_lib.base import derivative as derivative
from gradlog.sde_lib.base import sum_over as sum_over
from gradlog.sde_lib.bases import Basis as Basis
from gradlog.sde_lib.bases import Frequencies as Frequencies
from gradlog.sde_lib.bases import Pixels as Pixels
from gradlog.sde_lib.bases import Reflections as Reflections
from gradlog.sde_lib.blurring import Blurring as Blurring
from gradlog.sde_lib.ddpm import DDPM as DDPM
from gradlog.sde_lib.discrete import Absorbing as Absorbing
from gradlog.sde_lib.discrete import Discrete as Discrete
from gradlog.sde_lib.discrete import JumpProcess as JumpProcess
from gradlog.sde_lib.learned import LearnedNumbers as LearnedNumbers
from gradlog.sde_lib.learned_affine import AffinePath as AffinePath
from gradlog.sde_lib.learned_affine import LearnedAffine as LearnedAffine
from gradlog.sde_lib.learned_drift import DriftChain as DriftChain
from gradlog.sde_lib.learned_drift import LearnedDrift as LearnedDrift
from gradlog.sde_lib.learned_gamma import GammaPath as GammaPath
from gradlog.sde_lib.learned_gamma import LearnedGamma as LearnedGamma
from gradlog.sde_lib.level_masking import LearnedMasking as LearnedMasking
from gradlog.sde_lib.level_masking import LevelMasking as LevelMasking
from gradlog.sde_lib.log_snr import LogSNR as LogSNR
from gradlog.sde_lib.masking import MASK_SCHEDULES as MASK_SCHEDULES
from gradlog.sde_lib.masking import Masking as Masking
from gradlog.sde_lib.masking import grid_of_times as grid_of_times
from gradlog.sde_lib.multivariate import LatentPath as LatentPath
from gradlog.sde_lib.multivariate import Multivariate as Multivariate
from gradlog.sde_lib.multivariate import PixelGammaPath as PixelGammaPath
from gradlog.sde_lib.neural import ConditionalPath as ConditionalPath
from gradlog.sde_lib.neural import Neural as Neural
from gradlog.sde_lib.neural import NeuralPath as NeuralPath
from gradlog.sde_lib.neural import linear_moments as linear_moments
from gradlog.sde_lib.one_position import OnePosition as OnePosition
from gradlog.sde_lib.straight import Straight as Straight
from gradlog.sde_lib.subvp import SubVP as SubVP
from gradlog.sde_lib.uniform import Uniform as Uniform
from gradlog.sde_lib.ve import VE as VE
from gradlog.sde_lib.vp import VP as VP

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
