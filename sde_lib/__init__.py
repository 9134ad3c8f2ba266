"""Forward processes, continuous and discrete.

To add one, write a file with a subclass of ``SDE`` or ``Discrete`` and add a line here.
"""

from gradlog.sde_lib.base import (
    SDE as SDE,
    GaussianPath as GaussianPath,
    Kind as Kind,
    Process as Process,
    check_eps as check_eps,
    check_process as check_process,
    derivative as derivative,
    sum_over as sum_over,
)
from gradlog.sde_lib.bases import (
    Basis as Basis,
    Frequencies as Frequencies,
    Pixels as Pixels,
    Reflections as Reflections,
)
from gradlog.sde_lib.blurring import Blurring as Blurring
from gradlog.sde_lib.ddpm import DDPM as DDPM
from gradlog.sde_lib.discrete import (
    Absorbing as Absorbing,
    Discrete as Discrete,
    JumpProcess as JumpProcess,
)
from gradlog.sde_lib.learned import LearnedNumbers as LearnedNumbers
from gradlog.sde_lib.learned_affine import AffinePath as AffinePath, LearnedAffine as LearnedAffine
from gradlog.sde_lib.learned_drift import DriftChain as DriftChain, LearnedDrift as LearnedDrift
from gradlog.sde_lib.learned_gamma import GammaPath as GammaPath, LearnedGamma as LearnedGamma
from gradlog.sde_lib.level_masking import (
    LearnedMasking as LearnedMasking,
    LevelMasking as LevelMasking,
)
from gradlog.sde_lib.log_snr import LogSNR as LogSNR
from gradlog.sde_lib.masking import (
    MASK_SCHEDULES as MASK_SCHEDULES,
    Masking as Masking,
    grid_of_times as grid_of_times,
)
from gradlog.sde_lib.multivariate import (
    LatentPath as LatentPath,
    Multivariate as Multivariate,
    PixelGammaPath as PixelGammaPath,
)
from gradlog.sde_lib.neural import (
    ConditionalPath as ConditionalPath,
    Neural as Neural,
    NeuralPath as NeuralPath,
    linear_moments as linear_moments,
)
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
