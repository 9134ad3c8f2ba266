"""Bits, their differences, and classes by them."""

from pathlib import Path

from evaluation import tables
from evaluation.results import Result
from hosts import writes
from run.comparison import compare_runs, compare_steps, save_comparison, save_differences
from run.over_training import save_over_training
from storage import write_json
from verbs.failures import NoImageError
from verbs.opening import opened
from verbs.options import Options


def evaluate(options: Options) -> None:
    """Bits per dimension of the checkpoints, as files and as a table.

    Raises:
      NoImageError: after all that, where a result is of no image at all.
    """
    run = opened(options)
    found = run.results(options.steps)
    if options.summary and writes():
        _save_summary(Path(options.summary).expanduser(), run.workdir.root, found)
    tables.show_results([result.summary for result in found])
    tables.show_differences(save_differences(run.workdir, found))
    if options.steps == "all" or "," in options.steps:
        tables.show_over_training(save_over_training(run.workdir, found))
    empty = [
        f"{r.summary['estimator']} at step {r.summary['step']}" for r in found if not any(r.ok)
    ]
    if empty:
        raise NoImageError(
            f"no image succeeded with {', '.join(empty)}: there is no mean; loosen its tolerances "
            "or raise config.likelihood.max_steps"
        )


def _save_summary(path: Path, root: Path, found: list[Result]) -> None:
    """What each result says and where it lies in the workdir, for a program that asked."""
    write_json(path, [{"folder": str(r.folder.relative_to(root)), **r.summary} for r in found])


def compare(options: Options) -> None:
    """Paired differences between checkpoints or runs, evaluated first where not yet done."""
    run = opened(options)
    rows = (
        compare_runs(run, run.open_like(options.against), options.steps)
        if options.against
        else compare_steps(run, run.steps(options.steps))
    )
    save_comparison(run.workdir, rows)
    tables.show_comparison(rows)


def classify(options: Options) -> None:
    """Which class each test image has, by the likelihoods of all, as files and as a table."""
    run = opened(options)
    found = run.at_steps(options.steps, run.classify)
    tables.show_classifications([row for rows in found for row in rows])
