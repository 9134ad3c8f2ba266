"""Checkpoints, workdirs, metrics and atomic files."""

from storage.checkpoints import CheckpointError, Checkpoints
from storage.files import finite, read_json, write_json, write_npz, write_text
from storage.metrics import MetricsLog, read_metrics
from storage.workdir import Workdir, WorkdirError, digest_arrays, versions

__all__ = [
    "CheckpointError",
    "Checkpoints",
    "MetricsLog",
    "Workdir",
    "WorkdirError",
    "digest_arrays",
    "finite",
    "read_json",
    "read_metrics",
    "versions",
    "write_json",
    "write_npz",
    "write_text",
]
