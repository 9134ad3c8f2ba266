"""Two checkpoints of a run, or two runs, image by image."""

from itertools import combinations
from typing import TYPE_CHECKING, Any

from evaluation.differences import IncomparableError, between_estimators, paired
from evaluation.results import Result
from run.drivers import writes
from storage import CheckpointError, Workdir, write_json

if TYPE_CHECKING:
    from run.directory import RunDirectory


def save_differences(workdir: Workdir, found: list[Result]) -> list[dict[str, Any]]:
    """Paired differences between the estimators at each step; written to ``differences.json``."""
    rows = []
    for step in dict.fromkeys(result.summary["step"] for result in found):
        at_step = {r.summary["estimator"]: r for r in found if r.summary["step"] == step}
        differences = between_estimators(at_step)
        if differences and writes():
            write_json(workdir.differences(step), differences)
        rows += [{"step": step, **row} for row in differences]
    return rows


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
        {"estimator": name} | paired(found[name, b], found[name, a], (f"step {b}", f"step {a}"))
        for name in run.experiment.estimators
        for a, b in combinations(steps, 2)
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
    return [{"estimator": a.summary["estimator"]} | paired(a, b, names) for a, b in pairs]


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
