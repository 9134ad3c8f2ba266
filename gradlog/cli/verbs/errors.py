"""Mistakes that are told in one line."""

from gradlog.cli.verbs.failures import DamagedWorkdirError, NoImageError
from gradlog.cli.verbs.options import UsageError
from gradlog.data import DataError
from gradlog.distributed import HostError
from gradlog.evaluation.differences import IncomparableError
from gradlog.evaluation.quality import QualityError
from gradlog.experiment.reader import ConfigError
from gradlog.experiment.schema import ConfigFileError
from gradlog.storage import CheckpointError, DamagedFileError, WorkdirError
from gradlog.sweeps import FailedRunsError, SweepError
from gradlog.training import NonFiniteError

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
