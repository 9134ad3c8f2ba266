"""Run a sweep from its plan to its results. Runs that are done are not repeated."""

import csv
import io
from pathlib import Path

from gradlog import terminal
from gradlog.config_error import UserError
from gradlog.evaluation.pictures import save_figure
from gradlog.storage import write_json, write_sealed, write_text
from gradlog.sweeps import display
from gradlog.sweeps.launchers import Launcher
from gradlog.sweeps.plan import Plan, SweepError, keep_old_names, read_plan
from gradlog.sweeps.results import SweepResults, read_results
from gradlog.sweeps.runs import RunTask, SweepFolder, make_task
from gradlog.training.workdir_training import lock_workdir

# The columns of results.csv after the name and the swept keys.
_COLUMNS = (
    "status",
    "step",
    "estimator",
    "bits_per_dim",
    "standard_error",
    "difference",
    "difference_standard_error",
    "num_images",
    "all_images",
    "train_seconds",
    "eval_seconds",
    "failure",
)


class FailedRunsError(UserError, ValueError):
    """Some runs of a sweep failed. It is raised after all other runs are done."""


def show_sweep_plan(folder: SweepFolder, plan: Plan) -> None:
    """Print the runs of a plan and their status, and write nothing.

    Raises:
      SweepError: the folder holds something else.
    """
    plan = _reconcile(folder, plan)
    display.show_plan(plan, [make_task(folder, plan, run) for run in plan.runs])


def run_sweep(folder: SweepFolder, plan: Plan, launcher: Launcher) -> None:
    """Execute the runs that are not done, then write and print the results of all runs.

    Raises:
      SweepError: the folder holds something else.
      WorkdirError: another process uses the folder, or a link in it would be written through.
      FailedRunsError: some runs failed.
    """
    plan = _reconcile(folder, plan)
    tasks = [make_task(folder, plan, run) for run in plan.runs]
    with lock_workdir(folder.root):
        for task in tasks:
            folder.check_writable(task.name)
        write_plan(folder, plan)
        display.show_plan(plan, tasks)
        if waiting := [task for task in tasks if not task.is_done]:
            done, total = len(tasks) - len(waiting), len(tasks)
            with terminal.progress("sweep", done, total, "", unit="runs") as update:

                def report_end(task: RunTask) -> None:
                    nonlocal done
                    done += 1
                    terminal.say(f"{task.status}: {task.name}")
                    update(done, "")

                launcher(waiting, report_end)
        else:
            terminal.say("all runs are done")
        results = read_results(folder, plan)
        save_results(results)
    display.show_results(results)
    written = ("csv", "json", "png") if results.settings else ("csv", "json")
    terminal.say(f"wrote {', '.join(str(folder.table(suffix)) for suffix in written)}")
    if failed := [task for task in tasks if not task.is_done]:
        for task in failed:
            failure = folder.read_record(task.name).failure
            log = folder.log(task.name)
            terminal.say(f"failed: {task.name}: {failure}; the end of {log}:")
            for line in folder.last_log_lines(task.name):
                terminal.say(f"    {line}")
        raise FailedRunsError(
            f"{len(failed)} of {len(tasks)} runs failed: {', '.join(t.name for t in failed)}; "
            "the same command tries them again"
        )


def write_plan(folder: SweepFolder, plan: Plan) -> None:
    """Write the plan and each run's complete configuration, which its processes read."""
    plan.save(folder.plan)
    for run in plan.runs:
        write_json(folder.config(run.name), plan.build_config(run).to_dict())


def save_results(results: SweepResults) -> None:
    """Write ``results.csv``, ``results.json`` and ``results.png``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", *results.plan.keys, *_COLUMNS])
    for row in results.runs:
        # A cell is empty where the run has no such value.
        values = (getattr(row, name) for name in _COLUMNS)
        writer.writerow([row.name, *map(row.value, results.plan.keys), *values])
    write_text(results.folder.table("csv"), text.getvalue())
    tables = {
        name: [
            {key: str(v) if isinstance(v, Path) else v for key, v in vars(row).items()}
            for row in rows
        ]
        for name, rows in (("runs", results.runs), ("settings", results.settings))
    }
    write_sealed(results.folder.table("json"), tables)
    if results.settings:
        save_figure(results.folder.table("png"), display.draw_settings(results))


def _reconcile(folder: SweepFolder, plan: Plan) -> Plan:
    """Compare a plan with an earlier sweep in the same folder, and print what changed.

    Raises:
      SweepError: the folder holds something else.
    """
    if not folder.plan.is_file():
        files = folder.root.iterdir() if folder.root.is_dir() else ()
        if any(not path.name.startswith(".") for path in files):
            raise SweepError(
                f"{folder.root} holds something else than a sweep; choose another --workdir"
            )
        return plan
    old = read_plan(folder.plan)
    plan = keep_old_names(plan, old)
    before, now = ({run.name for run in each.runs} for each in (old, plan))
    if before != now:
        terminal.say(
            f"note: the sweep in {folder.root} has changed: {len(before & now)} of its "
            f"{len(before)} runs are kept, {len(now - before)} are new, and "
            f"{len(before - now)} that it no longer contains stay in {folder.runs}"
        )
    return plan
