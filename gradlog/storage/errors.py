"""What can be wrong with a checkpoint, in one line each."""

import errno
import os
import re
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What the system says of a file that is not what was written; else it could not look.
_OTHER = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO)


class CheckpointError(ValueError):
    """A checkpoint that was asked for is not there, does not fit, or cannot be written."""


class MissingError(CheckpointError):
    """A checkpoint that was asked for is not there, or no longer."""


class DamagedError(CheckpointError):
    """A checkpoint is not as it was written."""


def reason_of(error: BaseException) -> str:
    """Why something failed, in one line."""
    number = _system_number(error)
    text = os.strerror(number) if number else str(error).strip() or type(error).__name__
    return text.splitlines()[0]


def is_damage(error: OSError) -> bool:
    """Whether a file that cannot be read is damaged, rather than the way to it in trouble.

    Without a number it is not the system that complains, but a reader of what it gave.
    """
    return error.errno is None or error.errno in _OTHER


def unwritten(step: int, directory: Path, size: int, error: Exception) -> CheckpointError:
    """The error of a checkpoint of so many bytes that could not be written."""
    advice = "free space there; " if _system_number(error) in _FULL else ""
    return CheckpointError(
        f"cannot write the checkpoint of step {step} ({size:,} bytes) to {directory}: "
        f"{reason_of(error)}; {advice}those before it are as they were, and the same command goes "
        "on from the newest"
    )


def _system_number(error: BaseException) -> int | None:
    """The system's number of an error, also where TensorStore has put it into words."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"os_error_code='(\d+)'", str(error))
    return int(found[1]) if found else None
