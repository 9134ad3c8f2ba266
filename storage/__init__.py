"""Checkpoints, workdirs, metrics and atomic files."""

from storage.arrays import ArrayFileError, read_array
from storage.checkpoints import CheckpointError, Checkpoints
from storage.files import finite, read_json, write_json, write_npz, write_text
from storage.metrics import MetricsLog, read_metrics
from storage.official import OfficialState, fitted, misfits, read_official
from storage.workdir import Workdir, WorkdirError, digest_arrays, versions

__all__ = [
    "ArrayFileError",
    "CheckpointError",
    "Checkpoints",
    "MetricsLog",
    "OfficialState",
    "Workdir",
    "WorkdirError",
    "digest_arrays",
    "finite",
    "fitted",
    "misfits",
    "read_array",
    "read_json",
    "read_metrics",
    "read_official",
    "versions",
    "write_json",
    "write_npz",
    "write_text",
]
