"""Sweeps: plan many overrides of one configuration, run them, and compare their results."""

from gradlog.sweeps.plan import Plan as Plan
from gradlog.sweeps.plan import PlannedRun as PlannedRun
from gradlog.sweeps.plan import SweepError as SweepError
from gradlog.sweeps.plan import make_plan as make_plan
from gradlog.sweeps.plan import read_plan as read_plan
from gradlog.sweeps.results import RunRow as RunRow
from gradlog.sweeps.results import SettingRow as SettingRow
from gradlog.sweeps.results import SweepResults as SweepResults
from gradlog.sweeps.results import read_results as read_results
from gradlog.sweeps.results import read_sweep as read_sweep
from gradlog.sweeps.run_sweep import FailedRunsError as FailedRunsError
from gradlog.sweeps.run_sweep import run_sweep as run_sweep
from gradlog.sweeps.run_sweep import show_sweep_plan as show_sweep_plan
from gradlog.sweeps.runs import SweepFolder as SweepFolder
