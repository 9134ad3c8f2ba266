"""Errors of storage, and how to tell damage from a disk in trouble."""

import errno
import os
import re

from gradlog.config_error import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# The system's numbers for a file that is not what was written. Others mean that it cannot look.
_OTHER = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO)

# Such as " [tensorstore_spec='{...}']", with up to two thousand letters.
_DETAILS = re.compile(r" \[[a-z_ ]+='.*")


class CheckpointError(UserError, ValueError):
    """A checkpoint is missing, does not fit the model, or cannot be read or written."""


class MissingError(CheckpointError):
    """A checkpoint does not exist, or was deleted."""


class DamagedError(CheckpointError):
    """The contents of a checkpoint are not what was written."""


class DamagedFileError(UserError, ValueError):
    """The contents of a file are not what was written. The message names the file."""


class WorkdirError(UserError, ValueError):
    """A workdir cannot be used as requested."""


def describe_error(error: BaseException) -> str:
    """Return the reason of an error in one line, without the details that TensorStore appends."""
    number = _system_number(error)
    text = os.strerror(number) if number else str(error).strip() or type(error).__name__
    return _DETAILS.sub("", text.splitlines()[0])


def is_damage(error: OSError) -> bool:
    """Return whether a file is damaged, rather than the disk or the network in trouble.

    An error without a number comes from a reader of the contents, not from the system.
    """
    return error.errno is None or error.errno in _OTHER


def is_full(error: BaseException) -> bool:
    """Return whether an error says that a disk is full."""
    return _system_number(error) in _FULL


def _system_number(error: BaseException) -> int | None:
    """Return the system's number of an error. TensorStore has it in its message only."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"os_error_code='(\d+)'", str(error))
    return int(found[1]) if found else None
