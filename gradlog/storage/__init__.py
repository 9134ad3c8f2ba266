"""Checkpoints, workdirs, metrics, trackers and atomic files."""

from gradlog.storage.checkpoints import (
    KEEP_ALL as KEEP_ALL,
    Checkpoints as Checkpoints,
    Retention as Retention,
)
from gradlog.storage.errors import (
    CheckpointError as CheckpointError,
    DamagedError as DamagedError,
    DamagedFileError as DamagedFileError,
    MissingError as MissingError,
    WorkdirError as WorkdirError,
    is_damage as is_damage,
)
from gradlog.storage.files import (
    atomic as atomic,
    check_plain as check_plain,
    own_path as own_path,
    read_json as read_json,
    read_sealed as read_sealed,
    replace_nonfinite as replace_nonfinite,
    write_json as write_json,
    write_npz as write_npz,
    write_sealed as write_sealed,
    write_text as write_text,
)
from gradlog.storage.lock import WorkdirLock as WorkdirLock
from gradlog.storage.metrics import (
    LOGGED as LOGGED,
    MetricsLog as MetricsLog,
    digest_lines as digest_lines,
    read_metrics as read_metrics,
    scan_metrics as scan_metrics,
)
from gradlog.storage.official import (
    OfficialState as OfficialState,
    find_mismatches as find_mismatches,
    fit_arrays as fit_arrays,
    read_official as read_official,
)
from gradlog.storage.tracking import (
    TRACKERS as TRACKERS,
    NoTracker as NoTracker,
    TrackedRun as TrackedRun,
    Tracker as Tracker,
    find_missing_package as find_missing_package,
)
from gradlog.storage.workdir import (
    Workdir as Workdir,
    check_writable as check_writable,
    digest as digest,
    digest_arrays as digest_arrays,
    digest_params as digest_params,
    list_versions as list_versions,
)
