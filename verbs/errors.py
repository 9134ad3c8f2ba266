"""Mistakes that are told in one line."""

from configs.schema import ConfigFileError
from data import DataError
from evaluation.differences import IncomparableError
from evaluation.quality import QualityError
from hosts import HostError
from storage import CheckpointError, DamagedFileError, WorkdirError
from sweeps import FailedRunsError, SweepError
from training import NonFiniteError
from verbs.failures import DamagedWorkdirError, NoImageError
from verbs.options import UsageError
from wiring.reader import ConfigError

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
    SweepError,
    FailedRunsError,
    OSError,  # a full or read-only disk, a file in the way: its text names the file
    MemoryError,
)
