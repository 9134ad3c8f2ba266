"""Many overrides of one configuration: planned, run, compared."""

from gradlog.sweeps.errors import FailedRunsError, SweepError
from gradlog.sweeps.folder import SweepFolder
from gradlog.sweeps.plan import Plan, PlannedRun, make_plan, read_plan, slurm_settings
from gradlog.sweeps.reading import read_sweep, results_of
from gradlog.sweeps.results import RunRow, SettingRow, SweepResults

__all__ = [
    "FailedRunsError",
    "Plan",
    "PlannedRun",
    "RunRow",
    "SettingRow",
    "SweepError",
    "SweepFolder",
    "SweepResults",
    "make_plan",
    "read_plan",
    "read_sweep",
    "results_of",
    "slurm_settings",
]
