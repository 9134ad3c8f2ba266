"""Forward processes. To add one, write a file with a subclass of ``SDE`` and add a line here."""

from gradlog.sde_lib.base import SDE, Process, check_process
from gradlog.sde_lib.ddpm import DDPM
from gradlog.sde_lib.learned import LearnedNumbers
from gradlog.sde_lib.learned_gamma import GammaPath, LearnedGamma
from gradlog.sde_lib.log_snr import LogSNR
from gradlog.sde_lib.straight import Straight
from gradlog.sde_lib.subvp import SubVP
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
# Processes with trained numbers: their ``bind`` returns an SDE.
LEARNED: dict[str, type[Process]] = {"learned_gamma": LearnedGamma}

__all__ = [
    "DDPM",
    "LEARNED",
    "SDE",
    "SDES",
    "VE",
    "VP",
    "GammaPath",
    "LearnedGamma",
    "LearnedNumbers",
    "LogSNR",
    "Process",
    "Straight",
    "SubVP",
    "check_process",
]
