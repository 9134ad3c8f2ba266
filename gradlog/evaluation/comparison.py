"""Paired differences on the same images: of estimators, of checkpoints and of runs."""

import errno
from collections.abc import Iterable
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlog import terminal
from gradlog.config_error import UserError
from gradlog.distributed import is_writer
from gradlog.evaluation.bits_per_dim import Result
from gradlog.evaluation.uncertainty import mean
from gradlog.storage import CheckpointError, Workdir, read_sealed, write_sealed

if TYPE_CHECKING:
    from gradlog.experiment.run import Run

# Estimators that bound the SDE's log likelihood; the others compute the ODE's.
BOUNDS = frozenset({"bound", "mmse", "vlb"})
WHAT_A_BOUND_BOUNDS = (
    "the bound's bits are an upper bound on the SDE's bits, and the ODE has bits of its own; with "
    "an imperfect score a gap of either sign is possible, and a negative one is not an error"
)
# Errors of writing where finished results can still be read.
READ_ONLY = (errno.EROFS, errno.EACCES)


class IncomparableError(UserError, ValueError):
    """Results are of different images, or there are fewer than two."""


class NothingInCommonError(IncomparableError):
    """No image succeeded in both results."""


def paired(minuend: Result, subtrahend: Result, names: tuple[str, str]) -> dict[str, Any]:
    """Return the mean difference in bits/dim over the images that succeeded in both results.

    Raises:
      IncomparableError: the two are of different images.
      NothingInCommonError: no image succeeded in both.
    """
    check_same_images(minuend, subtrahend, names)
    both = minuend.ok & subtrahend.ok
    difference = mean(minuend.bits_per_dim[both] - subtrahend.bits_per_dim[both])
    if not difference.count:
        raise NothingInCommonError(
            f"{names[0]} and {names[1]} have no image that succeeded in both"
        )
    return {
        "minuend": names[0],
        "subtrahend": names[1],
        "bits_per_dim": difference.value,
        "unit": minuend.unit,
        "standard_error": difference.standard_error,
        "interval": difference.interval,
        "num_images": difference.count,
        "failed_in_either": int((~both).sum()),
        "minuend_folder": minuend.folder.name,
        "subtrahend_folder": subtrahend.folder.name,
    }


def all_paired(pairs: Iterable[tuple[Result, Result, tuple[str, str]]]) -> list[dict[str, Any]]:
    """Return a row for each pair; a pair without a common image is left out with a warning."""
    rows = []
    for minuend, subtrahend, names in pairs:
        try:
            rows.append(paired(minuend, subtrahend, names))
        except NothingInCommonError as error:
            terminal.say(f"warning: {error}: their difference is left out")
    return rows


def check_same_images(a: Result, b: Result, names: tuple[str, str]) -> None:
    """Raise IncomparableError if two results are not of the same images."""
    fingerprints = [result.summary["data_fingerprint"] for result in (a, b)]
    if fingerprints[0] != fingerprints[1]:
        raise IncomparableError(
            f"{names[0]} is of the data {fingerprints[0]}, {names[1]} of {fingerprints[1]}: "
            "only results on the same data can be compared"
        )
    if len(a.ok) != len(b.ok):
        raise IncomparableError(
            f"{names[0]} has {len(a.ok)} images, {names[1]} has {len(b.ok)}: evaluate both with "
            "the same config.eval.num_images"
        )


def between_estimators(results: dict[str, Result]) -> list[dict[str, Any]]:
    """Return each bound minus each other estimate, then the pairs within each kind.

    The bounds and the others of a Gaussian model are of two laws, the SDE's and the ODE's. Those of
    a model of tokens are of one, and their rows say so.

    Args:
      results: of one checkpoint, by the estimator's name.
    """
    bounds = [name for name in results if name in BOUNDS]
    flows = [name for name in results if name not in BOUNDS]
    pairs = [*product(bounds, flows), *combinations(flows, 2), *combinations(bounds, 2)]
    rows = all_paired((results[a], results[b], (a, b)) for a, b in pairs)
    if all(result.summary.get("eps") == {} for result in results.values()):  # of tokens
        rows = [{**row, "of_one_law": True} for row in rows]
    return rows


def is_of_two_laws(row: dict[str, Any]) -> bool:
    """Return whether a difference is that of the SDE's bits and the ODE's."""
    bound, flow = row["minuend"] in BOUNDS, row["subtrahend"] not in BOUNDS
    return bound and flow and not row.get("of_one_law")


def save_differences(workdir: Workdir, results: list[Result]) -> list[dict[str, Any]]:
    """Return the paired differences between estimators at each step; save ``differences.json``.

    Its ``rows`` name the folders of both results. A row replaces an older one of the same folders.
    """
    rows = []
    for step in dict.fromkeys(result.summary["step"] for result in results):
        at_step = {r.summary["estimator"]: r for r in results if r.summary["step"] == step}
        differences = between_estimators(at_step)
        if differences and is_writer():
            _add_rows(workdir.differences(step), differences)
        rows += [{"step": step, **row} for row in differences]
    return rows


def _add_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    try:
        before = read_sealed(path)["rows"] if path.exists() else []
    except ValueError:  # a damaged file: its rows can be computed again from the results
        before = []
    # A new row takes the place of the old one, so that the same results change nothing.
    by_folders = {
        frozenset((row["minuend_folder"], row["subtrahend_folder"])): row
        for row in (*before, *rows)
    }
    try:
        write_sealed(path, {"rows": list(by_folders.values())})
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        terminal.say(f"note: differences are not saved: {error}")


def compare_steps(run: "Run", steps: list[int]) -> list[dict[str, Any]]:
    """Return each later checkpoint minus each earlier one, for every estimator of the config.

    Raises:
      CheckpointError: there are fewer than two steps.
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


def compare_runs(run: "Run", other: "Run", which: str) -> list[dict[str, Any]]:
    """Return a run minus another one, for every estimator of the config, at one step of each.

    If only one of them is a model of tokens, each has estimators of its own, and every pair has a
    row.

    Args:
      run: the minuend.
      other: the subtrahend, opened with the same likelihood and eval settings (`Run.open_like`).
      which: '' for the newest step of each, one step for both, or 'STEP,STEP OF THE OTHER'.

    Raises:
      IncomparableError: the data differ, or both are the same checkpoint.
      CheckpointError: a step is missing.
    """
    fingerprints = [each.experiment.dataset.fingerprint for each in (run, other)]
    if fingerprints[0] != fingerprints[1]:  # before anything is evaluated
        raise IncomparableError(
            f"{run.workdir.root} has the data {fingerprints[0]}, {other.workdir.root} has "
            f"{fingerprints[1]}: only runs on the same data can be compared"
        )
    if which.count(",") > 1 or which == "all":
        raise CheckpointError(
            f"--steps={which}: with --against give one step for both runs, or one of each: 100,200"
        )
    own, _, others = which.partition(",")
    step, other_step = run.steps(own)[0], other.steps(others or own)[0]
    if (run.workdir.root.resolve(), step) == (other.workdir.root.resolve(), other_step):
        raise IncomparableError(
            f"--against={other.workdir.root} is the same checkpoint: name another run, or two steps"
        )
    names = (f"{run.workdir.root} step {step}", f"{other.workdir.root} step {other_step}")
    results, other_results = run.results([step]), other.results([other_step])
    if [*run.experiment.estimators] == [*other.experiment.estimators]:
        pairs = zip(results, other_results, strict=True)
    else:  # of a Gaussian model and a model of tokens
        pairs = product(results, other_results)
    return [row for a, b in pairs for row in _rows(_estimators(a, b), a, b, names)]


def _estimators(a: Result, b: Result) -> str:
    """Return the estimator of both results, or those of each."""
    found = dict.fromkeys(each.summary["estimator"] for each in (a, b))
    return " - ".join(found)


def _rows(name: str, a: Result, b: Result, names: tuple[str, str]) -> list[dict[str, Any]]:
    """Return the row of one estimator, if any; folders have paths, as there may be two workdirs."""
    paths = {"minuend_folder": str(a.folder), "subtrahend_folder": str(b.folder)}
    return [{"estimator": name} | row | paths for row in all_paired([(a, b, names)])]


def save_comparison(workdir: Workdir, rows: list[dict[str, Any]]) -> None:
    """Write the rows of a comparison to a file of its own, ``compare/<digest>.json``.

    Raises:
      IncomparableError: there is no row.
    """
    if not rows:
        raise IncomparableError("nothing to compare: no image succeeded in both of any two results")
    if is_writer():
        folders = [
            Path(row[f"{side}_folder"]) for row in rows for side in ("minuend", "subtrahend")
        ]
        path = workdir.comparison(folders)
        write_sealed(path, {"rows": rows})
        terminal.say(f"wrote {path}")
