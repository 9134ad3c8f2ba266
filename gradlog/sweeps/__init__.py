"""Sweeps: plan many overrides of one configuration, run them, and compare their results."""

from gradlog.sweeps.plan import (
    Plan as Plan,
    PlannedRun as PlannedRun,
    SweepError as SweepError,
    make_plan as make_plan,
    read_plan as read_plan,
)
from gradlog.sweeps.results import (
    RunRow as RunRow,
    SettingRow as SettingRow,
    SweepResults as SweepResults,
    read_results as read_results,
    read_sweep as read_sweep,
)
from gradlog.sweeps.run_sweep import (
    FailedRunsError as FailedRunsError,
    run_sweep as run_sweep,
    show_sweep_plan as show_sweep_plan,
)
from gradlog.sweeps.runs import SweepFolder as SweepFolder
