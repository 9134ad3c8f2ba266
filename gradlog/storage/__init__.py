"""Checkpoints, workdirs, metrics, trackers and atomic files."""

from gradlog.storage.checkpoints import KEEP_ALL, Checkpoints, Retention
from gradlog.storage.errors import (
    CheckpointError,
    DamagedError,
    DamagedFileError,
    MissingError,
    WorkdirError,
    is_damage,
)
from gradlog.storage.files import (
    atomic,
    check_plain,
    own_path,
    read_json,
    read_sealed,
    replace_nonfinite,
    write_json,
    write_npz,
    write_sealed,
    write_text,
)
from gradlog.storage.lock import WorkdirLock
from gradlog.storage.metrics import (
    LOGGED,
    MetricsLog,
    digest_lines,
    read_metrics,
    scan_metrics,
)
from gradlog.storage.official import OfficialState, find_mismatches, fit_arrays, read_official
from gradlog.storage.tracking import (
    TRACKERS,
    NoTracker,
    TrackedRun,
    Tracker,
    find_missing_package,
)
from gradlog.storage.workdir import (
    Workdir,
    check_writable,
    digest,
    digest_arrays,
    digest_params,
    list_versions,
)
