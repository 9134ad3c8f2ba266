"""Bits per dimension over the checkpoints of a training: which is best, and how sure that is.

The results of several steps are compared on the same images, written to a file and drawn.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from gradlog import terminal
from gradlog.data.dataset import BITS_PER_DIM
from gradlog.distributed import is_writer
from gradlog.evaluation.bits_per_dim import RESULT, Result, common_settings, load_result
from gradlog.evaluation.comparison import READ_ONLY, check_same_images
from gradlog.evaluation.pictures import save_figure
from gradlog.evaluation.uncertainty import mean
from gradlog.storage import Workdir, write_sealed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESAMPLES, SEED = 10_000, 0
NOT_COVERED = (
    "the probability of being best is over test images like these and the random draws made for "
    "them. A training with another seed may rank its steps differently. The bits of a step that "
    "was selected on these images are a little too low"
)
Bits = Float[np.ndarray, "images steps"]


def save_over_training(workdir: Workdir, results: list[Result]) -> dict[str, Any]:
    """Compare the steps of each estimator; write ``eval/over_training.json`` and ``.png``.

    Both cover all steps that have been evaluated with the settings of these results, not only the
    latest ones. Results with other settings have files of their own beside them. Nothing is written
    for a single step.

    Args:
      workdir: of the results.
      results: of each estimator with the same settings at all steps.

    Raises:
      IncomparableError: two results of an estimator are of different images.
    """
    settings = {r.summary["estimator"]: common_settings(r.folder) for r in results}
    known = {(r.summary["estimator"], r.summary["step"]): r for r in results}
    with terminal.working("comparing checkpoints"):
        for name, wanted in settings.items():
            for result in _results_like(workdir.root, name, wanted):
                known.setdefault((name, result.summary["step"]), result)
        found = over_training(list(known.values()))
    if found["estimators"] and is_writer():
        path = workdir.over_training(settings)
        try:
            write_sealed(path, found | {"settings": settings})
            save_figure(path.with_suffix(".png"), figure(found))
        except OSError as error:
            if error.errno not in READ_ONLY:
                raise
            terminal.say(f"note: bits over training are not saved: {error}")
        else:
            terminal.say(f"wrote {path} and {path.stem}.png")
    return found


def _results_like(root: Path, estimator: str, wanted: dict[str, Any]) -> list[Result]:
    """Return the results of an estimator with these settings; warn of damaged ones."""
    found = []
    for path in sorted(root.glob(f"eval/*/{estimator}*/{RESULT}")):
        try:
            if common_settings(path.parent) != wanted:
                continue
            result = load_result(path.parent)
        except (ValueError, OSError) as error:
            terminal.say(f"warning: not compared: {error}")
            continue
        if result and result.summary["estimator"] == estimator:
            found.append(result)
    return found


def over_training(results: Sequence[Result]) -> dict[str, Any]:
    """Return the contents of ``eval/over_training.json``: each estimator's steps, and the best.

    A row has the mean of its step with its standard error and interval, as in the result itself;
    ``probability_best``, see `probabilities_best`; and ``minus_best``, the paired difference to the
    best step. All steps are compared on the ``num_images`` images that succeeded at each of them.
    Estimators with one step, or with no image in common, are left out.

    Args:
      results: of any estimators, at any steps, with the same settings.

    Raises:
      IncomparableError: two results of an estimator are of different images.
    """
    names = dict.fromkeys(result.summary["estimator"] for result in results)
    found = {
        name: _compare_steps([r for r in results if r.summary["estimator"] == name])
        for name in names
    }
    return {
        "estimators": {name: each for name, each in found.items() if each},
        "resamples": RESAMPLES,
        "seed": SEED,
        "note": NOT_COVERED,
    }


def _compare_steps(results: list[Result]) -> dict[str, Any]:
    """Return {} if there is nothing to compare."""
    results = sorted(results, key=lambda result: result.summary["step"])
    names = [f"step {result.summary['step']}" for result in results]
    for result, name in zip(results[1:], names[1:], strict=True):
        check_same_images(result, results[0], (name, names[0]))
    common = np.logical_and.reduce([result.ok for result in results])
    if len(results) < 2 or not common.any():
        return {}
    bits = np.stack([result.bits_per_dim[common] for result in results], axis=1)
    best = int(np.argmin(bits.mean(0)))
    chances = probabilities_best(bits)
    rows = []
    for i, result in enumerate(results):
        difference = mean(bits[:, i] - bits[:, best])
        same = ("step", "bits_per_dim", "standard_error", "interval", "num_images")
        rows.append(
            {name: result.summary[name] for name in same}
            | {
                "unit": result.unit,
                "probability_best": float(chances[i]),
                "minus_best": {
                    "bits_per_dim": difference.value,
                    "standard_error": difference.standard_error,
                    "interval": difference.interval,
                },
                "folder": f"{result.summary['step']}/{result.folder.name}",
            }
        )
    return {"best": rows[best]["step"], "num_images": int(common.sum()), "rows": rows}


def probabilities_best(
    bits: Bits, resamples: int = RESAMPLES, seed: int = SEED
) -> Float[np.ndarray, " steps"]:
    """Return the share of resamples of the images in which each step has the lowest mean.

    This is the bootstrap of Efron 1979 (Ann. Statist. 7, 1) over images. A resample has the same
    images for all steps, so that the difficulty of an image cancels. For two steps the result is
    ``Phi(mean/se)`` of their difference, to the error of the bootstrap. Tied steps share the
    resample. NaN for fewer than two images, as their mean has no known error.

    Args:
      bits: bits/dim of each image at each step.
      resamples: their number; the standard error of a share is at most ``0.5/sqrt(resamples)``.
      seed: of the resamples.
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
    """Draw bits/dim with its interval over steps: a line for each estimator, a star at the best.

    Args:
      found: by `over_training`, or read from its file.
    """
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(7, 4), layout="constrained")
    axes = drawn.add_subplot()
    unit = BITS_PER_DIM  # of earlier versions, which do not say it
    for name, each in found["estimators"].items():
        unit = each["rows"][0].get("unit", unit)
        rows = [row for row in each["rows"] if row["bits_per_dim"] is not None]
        steps, means = ([row[key] for row in rows] for key in ("step", "bits_per_dim"))
        highs = ((row["interval"]["high"], row["bits_per_dim"]) for row in rows)
        # An interval without an end, as of one image, has no length in the picture.
        halves = [0.0 if high is None or np.isnan(high) else high - mid for high, mid in highs]
        bars = axes.errorbar(steps, means, halves, fmt="o-", capsize=3, label=name)
        best = next(row for row in rows if row["step"] == each["best"])
        axes.plot(
            best["step"], best["bits_per_dim"], "*", markersize=14, color=bars.lines[0].get_color()
        )
    axes.set_xlabel("step")
    axes.set_ylabel(unit)
    axes.grid(alpha=0.3)
    axes.legend(title="95 % interval; star: best")
    return drawn
