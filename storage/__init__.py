"""Checkpoints, workdirs, metrics and atomic files."""

from storage.arrays import ArrayFileError, read_array
from storage.checkpoints import Checkpoints
from storage.errors import CheckpointError, DamagedError, MissingError, is_damage
from storage.files import DamagedFileError, finite, read_json, write_json, write_npz, write_text
from storage.lock import WorkdirLock
from storage.metrics import LOGGED, MetricsLog, digest_lines, read_metrics, scan_metrics
from storage.official import OfficialState, fitted, misfits, read_official
from storage.retention import KEEP_ALL, Retention
from storage.sealed import read_sealed, write_sealed
from storage.space import check_writable
from storage.tracking import TRACKERS, NoTracker, Tracked, Tracker, missing_package
from storage.workdir import Workdir, WorkdirError, digest_arrays, versions

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
