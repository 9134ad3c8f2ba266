"""Forward processes. To add one, write a file with a subclass of ``SDE`` and add a line here."""

from gradlog.sde_lib.base import SDE, Process, check_process
from gradlog.sde_lib.ddpm import DDPM
from gradlog.sde_lib.learned import LearnedNumbers
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

__all__ = [
    "DDPM",
    "SDE",
    "SDES",
    "VE",
    "VP",
    "LearnedNumbers",
    "LogSNR",
    "Process",
    "Straight",
    "SubVP",
    "check_process",
]
