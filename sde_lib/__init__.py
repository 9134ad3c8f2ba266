"""Forward processes. A new one is a file with an ``SDE`` and a line here."""

from sde_lib.base import SDE
from sde_lib.ddpm import DDPM
from sde_lib.log_snr import LogSNR
from sde_lib.straight import Straight
from sde_lib.subvp import SubVP
from sde_lib.ve import VE
from sde_lib.vp import VP

SDES: dict[str, type[SDE]] = {
    "ddpm": DDPM,
    "log_snr": LogSNR,
    "straight": Straight,
    "subvp": SubVP,
    "ve": VE,
    "vp": VP,
}

__all__ = ["DDPM", "SDE", "SDES", "VE", "VP", "LogSNR", "Straight", "SubVP"]
