"""A sweep from its plan to its results: what is done already is left alone."""

from collections.abc import Callable, Sequence

from gradlog import terminal
from gradlog.run.holding import held
from gradlog.storage import write_json
from gradlog.sweeps import tables
from gradlog.sweeps.errors import FailedRunsError, SweepError
from gradlog.sweeps.files import save_results
from gradlog.sweeps.folder import SweepFolder
from gradlog.sweeps.plan import Plan, read_plan
from gradlog.sweeps.reading import results_of
from gradlog.sweeps.work import Work, work_of

# (works, called with each that has ended) -> None
Launch = Callable[[Sequence[Work], Callable[[Work], object]], None]


def show(folder: SweepFolder, plan: Plan) -> None:
    """Shows what would be run, and writes nothing.

    Raises:
      SweepError: the folder is something else's.
    """
    _note_changes(folder, plan)
    tables.show_plan(folder, plan, [work_of(folder, plan, run) for run in plan.runs])


def run(folder: SweepFolder, plan: Plan, launch: Launch) -> None:
    """Runs what is not done, then writes and shows the results of all.

    Raises:
      SweepError: the folder is something else's.
      WorkdirError: another process holds it.
      FailedRunsError: at the end, where runs have failed.
    """
    _note_changes(folder, plan)
    works = [work_of(folder, plan, run) for run in plan.runs]
    with held(folder.root):
        write(folder, plan)
        tables.show_plan(folder, plan, works)
        left = [work for work in works if not work.is_done]
        _launched(launch, left, len(works))
        results = results_of(folder, plan)
        save_results(results)
    tables.show_sweep(results)
    written = ("csv", "json", "png") if results.settings else ("csv", "json")
    terminal.say(f"wrote {', '.join(str(folder.result(suffix)) for suffix in written)}")
    _tell_failures(works)


def write(folder: SweepFolder, plan: Plan) -> None:
    """Writes the plan, and the whole configuration of each run for its processes to read."""
    plan.save(folder.plan)
    for each in plan.runs:
        write_json(folder.config(each.name), plan.config_of(each).to_dict())


def _launched(launch: Launch, works: Sequence[Work], total: int) -> None:
    if not works:
        terminal.say("all runs are done")
        return
    done = total - len(works)
    with terminal.progress("sweep", done, total, "", unit="runs") as update:

        def ended(work: Work) -> None:
            nonlocal done
            done += 1
            terminal.say(f"{work.status}: {work.name}")
            update(done, "")

        launch(works, ended)


def _tell_failures(works: Sequence[Work]) -> None:
    failed = [work for work in works if not work.is_done]
    if not failed:
        return
    tables.show_failures(failed)
    raise FailedRunsError(
        f"{len(failed)} of {len(works)} runs failed: {', '.join(work.name for work in failed)}; "
        "the same command tries them again"
    )


def _note_changes(folder: SweepFolder, plan: Plan) -> None:
    """Says what of an earlier sweep in the folder stays.

    Raises:
      SweepError: there is something else in the folder.
    """
    if not folder.plan.is_file():
        _check_free(folder)
        return
    before = {run.name for run in read_plan(folder.plan).runs}
    now = {run.name for run in plan.runs}
    if before != now:
        terminal.say(
            f"note: the sweep in {folder.root} has changed: {len(before & now)} of its "
            f"{len(before)} runs are kept, {len(now - before)} are new, and "
            f"{len(before - now)} that are not in it any more are left alone in {folder.runs}"
        )


def _check_free(folder: SweepFolder) -> None:
    if folder.root.is_dir() and any(
        not path.name.startswith(".") for path in folder.root.iterdir()
    ):
        raise SweepError(
            f"{folder.root} holds something else than a sweep; choose another --workdir"
        )
