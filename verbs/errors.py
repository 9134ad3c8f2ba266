"""Mistakes that are told in one line."""

from configs.schema import ConfigFileError
from data import DataError
from evaluation.differences import IncomparableError
from evaluation.quality import QualityError
from hosts import HostError
from storage import CheckpointError, DamagedFileError, WorkdirError
from training import NonFiniteError
from verbs.options import UsageError
from wiring.reader import ConfigError


class NoImageError(ValueError):
    """An estimator that succeeded on no image."""


class DamagedWorkdirError(ValueError):
    """A workdir in which not all is as it was written."""


USER_ERRORS = (
    UsageError,
    ConfigFileError,
    HostError,
    ConfigError,
    DataError,
    WorkdirError,
    DamagedFileError,
    CheckpointError,
    IncomparableError,
    QualityError,
    NoImageError,
    DamagedWorkdirError,
    NonFiniteError,
    OSError,  # a full or read-only disk, a file in the way: its text names the file
    MemoryError,
)
