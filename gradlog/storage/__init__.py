"""Checkpoints, workdirs, metrics and atomic files."""

from gradlog.storage.arrays import ArrayFileError, read_array
from gradlog.storage.checkpoints import Checkpoints
from gradlog.storage.errors import CheckpointError, DamagedError, MissingError, is_damage
from gradlog.storage.files import (
    DamagedFileError,
    finite,
    read_json,
    write_json,
    write_npz,
    write_text,
)
from gradlog.storage.lock import WorkdirLock
from gradlog.storage.metrics import LOGGED, MetricsLog, digest_lines, read_metrics, scan_metrics
from gradlog.storage.official import OfficialState, fitted, misfits, read_official
from gradlog.storage.retention import KEEP_ALL, Retention
from gradlog.storage.sealed import read_sealed, write_sealed
from gradlog.storage.space import check_writable
from gradlog.storage.tracking import TRACKERS, NoTracker, Tracked, Tracker, missing_package
from gradlog.storage.workdir import Workdir, WorkdirError, digest_arrays, versions

__all__ = [
    "KEEP_ALL",
    "LOGGED",
    "TRACKERS",
    "ArrayFileError",
    "CheckpointError",
    "Checkpoints",
    "DamagedError",
    "DamagedFileError",
    "MetricsLog",
    "MissingError",
    "NoTracker",
    "OfficialState",
    "Retention",
    "Tracked",
    "Tracker",
    "Workdir",
    "WorkdirError",
    "WorkdirLock",
    "check_writable",
    "digest_arrays",
    "digest_lines",
    "finite",
    "fitted",
    "is_damage",
    "misfits",
    "missing_package",
    "read_array",
    "read_json",
    "read_metrics",
    "read_official",
    "read_sealed",
    "scan_metrics",
    "versions",
    "write_json",
    "write_npz",
    "write_sealed",
    "write_text",
]
