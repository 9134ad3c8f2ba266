"""Errors of storage, and how to tell damage from a disk in trouble."""

import errno
import os

from gradlog.config_error import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# The system's numbers for a file that is not what was written. Others mean that it cannot look.
_OTHER = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO)


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
    """Return the reason of an error in one line."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def is_damage(error: OSError) -> bool:
    """Return whether a file is damaged, rather than the disk or the network in trouble.

    An error without a number comes from a reader of the contents, not from the system.
    """
    return error.errno is None or error.errno in _OTHER


def is_full(error: BaseException) -> bool:
    """Return whether an error says that a disk is full."""
    return isinstance(error, OSError) and error.errno in _FULL
