"""Bits, their differences, and classes by them."""

import os
from pathlib import Path

from gradlog.cli.verbs.failures import NoImageError
from gradlog.cli.verbs.opening import opened
from gradlog.cli.verbs.options import Options, UsageError
from gradlog.distributed import writes
from gradlog.evaluation import tables
from gradlog.evaluation.results import Result
from gradlog.run.comparison import compare_runs, compare_steps, save_comparison, save_differences
from gradlog.run.over_training import save_over_training
from gradlog.storage import write_json


def evaluate(options: Options) -> None:
    """Bits per dimension of the checkpoints, as files and as a table.

    Raises:
      UsageError: there is no place for a summary.
      NoImageError: after all that, where a result is of no image at all.
    """
    summary = _summary(options)
    run = opened(options)
    found = run.results(options.steps)
    tables.show_results([result.summary for result in found])
    tables.show_differences(save_differences(run.workdir, found))
    if options.steps == "all" or "," in options.steps:
        tables.show_over_training(save_over_training(run.workdir, found))
    if summary and writes():
        _save_summary(summary, run.workdir.root, found)
    empty = [
        f"{r.summary['estimator']} at step {r.summary['step']}" for r in found if not any(r.ok)
    ]
    if empty:
        raise NoImageError(
            f"no image succeeded with {', '.join(empty)}: there is no mean; loosen its tolerances "
            "or raise config.likelihood.max_steps"
        )


def _summary(options: Options) -> Path | None:
    """Where all results are to be written; raises UsageError before they are computed."""
    if not options.summary:
        return None
    path = Path(options.summary).expanduser()
    folder = next(each for each in path.absolute().parents if each.exists())
    can_be_made = folder.is_dir() and os.access(folder, os.W_OK)
    if not can_be_made or (path.exists() and not path.is_file()):
        raise UsageError(f"--summary={options.summary}: no file can be written there")
    return path


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
