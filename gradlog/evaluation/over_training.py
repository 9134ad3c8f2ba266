"""Bits per dimension over the checkpoints of a training, and how sure it is which is the best."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from gradlog.evaluation.differences import check_same_images
from gradlog.evaluation.results import Result
from gradlog.evaluation.uncertainty import mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESAMPLES, SEED = 10_000, 0
NOT_COVERED = (
    "the probability of being best is over test images like these and the draws made for each of "
    "them; a training with another seed may rank its steps otherwise, and the bits of a step that "
    "was chosen on these images are a little too good"
)
Bits = Float[np.ndarray, "images steps"]


def over_training(results: Sequence[Result]) -> dict[str, Any]:
    """What ``eval/over_training.json`` says: of each estimator its steps, and the best of them.

    A row has the mean of its step with its standard error and interval, as the result itself has
    them; ``probability_best``, see ``probabilities_best``; and ``minus_best``, its paired
    difference to the best step. All steps are compared on the images that succeeded at each of
    them, ``num_images``. Estimators with one step, or with no image in common, are left out.

    Args:
      results: of any estimators, at any steps, with the same settings.

    Raises:
      IncomparableError: two results of an estimator are of other images.
    """
    names = dict.fromkeys(result.summary["estimator"] for result in results)
    found = {name: _of_estimator([r for r in results if _is(r, name)]) for name in names}
    return {
        "estimators": {name: each for name, each in found.items() if each},
        "resamples": RESAMPLES,
        "seed": SEED,
        "note": NOT_COVERED,
    }


def _is(result: Result, name: str) -> bool:
    return result.summary["estimator"] == name


def _of_estimator(results: list[Result]) -> dict[str, Any]:
    """{} where there is nothing to compare."""
    results = sorted(results, key=lambda result: result.summary["step"])
    for result in results[1:]:
        check_same_images(result, results[0], (_name(result), _name(results[0])))
    common = np.logical_and.reduce([result.ok for result in results])
    if len(results) < 2 or not common.any():
        return {}
    bits = np.stack([result.bits_per_dim[common] for result in results], axis=1)
    best = int(np.argmin(bits.mean(0)))
    chances = probabilities_best(bits)
    rows = [
        _row(result, chances[i], bits[:, i] - bits[:, best]) for i, result in enumerate(results)
    ]
    return {"best": rows[best]["step"], "num_images": int(common.sum()), "rows": rows}


def _name(result: Result) -> str:
    return f"step {result.summary['step']}"


def _row(result: Result, probability: float, minus_best: np.ndarray) -> dict[str, Any]:
    kept = ("step", "bits_per_dim", "standard_error", "interval", "num_images")
    difference = mean(minus_best)
    return {name: result.summary[name] for name in kept} | {
        "probability_best": float(probability),
        "minus_best": {
            "bits_per_dim": difference.value,
            "standard_error": difference.standard_error,
            "interval": difference.interval,
        },
        "folder": f"{result.summary['step']}/{result.folder.name}",
    }


def probabilities_best(
    bits: Bits, resamples: int = RESAMPLES, seed: int = SEED
) -> Float[np.ndarray, " steps"]:
    """How often each step has the lowest mean when the images are drawn again, with replacement.

    The bootstrap of Efron 1979 (Ann. Statist. 7, 1) over images: a draw takes the same images for
    all steps, so that what makes an image hard for all of them cancels, and steps that rise and
    fall together are told apart. For two steps it is ``Phi(mean/se)`` of their difference, to the
    error of the bootstrap. Steps that tie share the draw. NaN for fewer than two images, whose
    mean has no known error.

    Args:
      bits: bits/dim of each image at each step.
      resamples: draws; the standard error of a probability is at most ``0.5/sqrt(resamples)``.
      seed: of the draws.
    """
    count, steps = bits.shape
    if count < 2:
        return np.full(steps, np.nan)
    rng, centered = np.random.default_rng(seed), bits - bits.mean(1, keepdims=True)
    won = np.zeros(steps)
    for _ in range(resamples):
        drawn = np.bincount(rng.integers(count, size=count), minlength=count)
        means = drawn @ centered
        lowest = np.isclose(means, means.min(), rtol=0, atol=1e-12 * count)
        won += lowest / lowest.sum()
    return won / resamples


def figure(found: dict[str, Any]) -> "Figure":
    """Bits/dim with its 95 % interval over steps, a line for each estimator, the best marked.

    Args:
      found: by ``over_training``, or read from its file.
    """
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(7, 4), layout="constrained")
    axes = drawn.add_subplot()
    for name, each in found["estimators"].items():
        rows = [row for row in each["rows"] if row["bits_per_dim"] is not None]
        steps, means = ([row[key] for row in rows] for key in ("step", "bits_per_dim"))
        bars = axes.errorbar(steps, means, _half_widths(rows), fmt="o-", capsize=3, label=name)
        best = next(row for row in rows if row["step"] == each["best"])
        axes.plot(
            best["step"], best["bits_per_dim"], "*", markersize=14, color=bars.lines[0].get_color()
        )
    axes.set_xlabel("step")
    axes.set_ylabel("bits / dimension")
    axes.grid(alpha=0.3)
    axes.legend(title="95 % interval; star: best")
    return drawn


def _half_widths(rows: Sequence[dict[str, Any]]) -> list[float]:
    """Of the intervals; 0 where there is none."""
    highs = ((row["interval"]["high"], row["bits_per_dim"]) for row in rows)
    return [0.0 if high is None or np.isnan(high) else high - value for high, value in highs]
