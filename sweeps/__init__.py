"""Many overrides of one configuration: planned, run, compared."""

from sweeps.errors import FailedRunsError, SweepError
from sweeps.folder import SweepFolder
from sweeps.plan import Plan, PlannedRun, make_plan, read_plan, slurm_settings
from sweeps.reading import read_sweep, results_of
from sweeps.results import RunRow, SettingRow, SweepResults

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
