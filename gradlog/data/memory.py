"""What this machine can hold, so that what cannot be is refused before it is tried.

Linux hands out memory that it does not have, and kills the process which uses it: the mistake of a
digit too many must be found by counting.
"""

import functools
import os
from pathlib import Path

from gradlog.data.dataset import DataError

# Where a container's share of the machine is written, by version of the kernel's groups.
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@functools.cache
def machine_bytes() -> int:
    """The memory of this machine, or of the container where that has less."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([physical, *(limit for path in LIMITS if (limit := _limit(Path(path))))])


def check_fits(needed: int, what: str) -> None:
    """Raises DataError where so many bytes are more than this machine has."""
    if needed > machine_bytes():
        raise DataError(f"{what} would take {_gigabytes(needed)}; {has()}")


def has() -> str:
    """What this machine has, for a message."""
    return f"this machine has {_gigabytes(machine_bytes())}"


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.3g} GB"


def _limit(path: Path) -> int | None:
    """The limit in a file; None where there is none."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
