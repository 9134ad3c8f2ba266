"""Two checkpoints of a run, or two runs, image by image."""

import errno
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlog import terminal
from gradlog.distributed import writes
from gradlog.evaluation.differences import IncomparableError, all_paired, between_estimators
from gradlog.evaluation.results import Result
from gradlog.storage import CheckpointError, Workdir, read_sealed, write_sealed

if TYPE_CHECKING:
    from gradlog.run.directory import RunDirectory

# Finished results can be read there all the same.
READ_ONLY = (errno.EROFS, errno.EACCES)


def save_differences(workdir: Workdir, found: list[Result]) -> list[dict[str, Any]]:
    """Paired differences between the estimators at each step; added to ``differences.json``.

    Its ``rows`` name the folders of both results; one of the same two takes another's place.
    """
    rows = []
    for step in dict.fromkeys(result.summary["step"] for result in found):
        at_step = {r.summary["estimator"]: r for r in found if r.summary["step"] == step}
        differences = between_estimators(at_step)
        if differences and writes():
            _add_rows(workdir.differences(step), differences)
        rows += [{"step": step, **row} for row in differences]
    return rows


def _add_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    try:
        before = read_sealed(path)["rows"] if path.exists() else []
    except ValueError:  # a damaged file: what it held can be had again from the results
        before = []
    # In the place of those before, so that the same results in any order change nothing.
    by_folders = {
        frozenset((row["minuend_folder"], row["subtrahend_folder"])): row
        for row in (*before, *rows)
    }
    try:
        write_sealed(path, {"rows": list(by_folders.values())})
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        terminal.say(f"note: differences are not kept: {error}")


def save_comparison(workdir: Workdir, rows: list[dict[str, Any]]) -> None:
    """Writes the rows of a comparison to a file of its own, ``compare/<digest>.json``.

    Raises:
      IncomparableError: there is none.
    """
    if not rows:
        raise IncomparableError("nothing to compare: no image succeeded in both of any two results")
    if writes():
        folders = [
            Path(row[f"{side}_folder"]) for row in rows for side in ("minuend", "subtrahend")
        ]
        path = workdir.comparison(folders)
        write_sealed(path, {"rows": rows})
        terminal.say(f"wrote {path}")


def _rows(name: str, a: Result, b: Result, names: tuple[str, str]) -> list[dict[str, Any]]:
    """Of one estimator, if any; folders with their paths, which may lie in two workdirs."""
    paths = {"minuend_folder": str(a.folder), "subtrahend_folder": str(b.folder)}
    return [{"estimator": name} | row | paths for row in all_paired([(a, b, names)])]


def compare_steps(run: "RunDirectory", steps: list[int]) -> list[dict[str, Any]]:
    """Each later checkpoint minus each earlier one, for every estimator of the config.

    Raises:
      CheckpointError: fewer than two steps.
    """
    if len(steps) < 2:
        raise CheckpointError(
            f"--mode=compare needs two checkpoints, got {steps}: say --steps=100,200 or "
            "--steps=all, or --against=WORKDIR for another run"
        )
    steps = sorted(steps)
    found = {(r.summary["estimator"], r.summary["step"]): r for r in run.results(steps)}
    return [
        row
        for name in run.experiment.estimators
        for a, b in combinations(steps, 2)
        for row in _rows(name, found[name, b], found[name, a], (f"step {b}", f"step {a}"))
    ]


def compare_runs(run: "RunDirectory", other: "RunDirectory", which: str) -> list[dict[str, Any]]:
    """A run minus another, for every estimator of the config, at one step of each.

    Args:
      run: the one whose differences are taken.
      other: opened with the same likelihood and eval settings, see ``RunDirectory.open_like``.
      which: '' for the newest of each, one step for both, or 'STEP,STEP OF THE OTHER'.

    Raises:
      IncomparableError: the two are not of the same data, or one and the same.
      CheckpointError: a step is not there.
    """
    _check_same_data(run, other)
    step, other_step = _steps_of_both(run, other, which)
    if (run.workdir.root.resolve(), step) == (other.workdir.root.resolve(), other_step):
        raise IncomparableError(
            f"--against={other.workdir.root} is the same checkpoint: nothing to compare; name "
            "another run, or two steps"
        )
    names = (f"{run.workdir.root} step {step}", f"{other.workdir.root} step {other_step}")
    pairs = zip(run.results([step]), other.results([other_step]), strict=True)
    return [row for a, b in pairs for row in _rows(a.summary["estimator"], a, b, names)]


def _check_same_data(run: "RunDirectory", other: "RunDirectory") -> None:
    """Before anything is evaluated."""
    fingerprints = [each.experiment.dataset.fingerprint for each in (run, other)]
    if fingerprints[0] != fingerprints[1]:
        raise IncomparableError(
            f"{run.workdir.root} has the data {fingerprints[0]}, {other.workdir.root} has "
            f"{fingerprints[1]}: only runs on the same data can be compared"
        )


def _steps_of_both(run: "RunDirectory", other: "RunDirectory", which: str) -> tuple[int, int]:
    if which.count(",") > 1 or which == "all":
        raise CheckpointError(
            f"--steps={which}: with --against give one step for both runs, or two: one of each"
        )
    own, _, others = which.partition(",")
    return run.steps(own)[0], other.steps(others or own)[0]
