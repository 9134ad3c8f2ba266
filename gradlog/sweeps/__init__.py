"""Sweeps: plan many overrides of one configuration, run them, and compare their results."""

from gradlog.sweeps.plan import Plan, PlannedRun, SweepError, make_plan, read_plan
from gradlog.sweeps.results import RunRow, SettingRow, SweepResults, read_results, read_sweep
from gradlog.sweeps.run_sweep import FailedRunsError, run_sweep, show_sweep_plan
from gradlog.sweeps.runs import SweepFolder
