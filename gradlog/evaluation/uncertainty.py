"""The error of a data-set mean: its interval, and its split by what is random."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import special  # and not its stats, which take half a second to import

from gradlog.evaluation.likelihood import Evaluation
from gradlog.likelihood import mean_standard_error

LEVEL = 0.95
DEQUANTIZATION, NOISE_AT_EPS = "dequantization", "noise at eps"
Values = Float[np.ndarray, " n"]


@dataclass(frozen=True)
class Mean:
    """Of independent values, with its standard error (NaN for fewer than two)."""

    value: float
    standard_error: float
    count: int

    @property
    def interval(self) -> dict[str, float]:
        """Student's interval for the expectation."""
        half = math.nan
        if self.count > 1:
            half = self.standard_error * float(special.stdtrit(self.count - 1, (1 + LEVEL) / 2))
        return {"level": LEVEL, "low": self.value - half, "high": self.value + half}


def wilson_interval(right: int, count: int) -> dict[str, float]:
    """For the probability of which ``right`` of ``count`` trials are a sample.

    The p that are not refused, ``|right/count - p| <= z sqrt(p (1 - p)/count)``: Wilson 1927, J.
    Amer. Statist. Assoc. 22, 209. Unlike a standard error it has a length where all are right.
    """
    if not count:
        return {"level": LEVEL, "low": math.nan, "high": math.nan}
    z, share = float(special.ndtri((1 + LEVEL) / 2)), right / count
    center = share + z**2 / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    low, high = ((center + sign * half) / (1 + z**2 / count) for sign in (-1, 1))
    low, high = min(max(low, 0.0), share), max(min(high, 1.0), share)  # but for rounding
    return {"level": LEVEL, "low": low, "high": high}


def mean(values: Values) -> Mean:
    """The mean of values that may be none, in float64."""
    values = np.asarray(values, np.float64)
    average = float(np.mean(values)) if len(values) else math.nan
    return Mean(average, mean_standard_error(values), len(values))


def error_split(
    evaluation: Evaluation, second: Evaluation | None, drawn: Sequence[str] = (DEQUANTIZATION,)
) -> list[dict[str, Any]]:
    """What the squared standard error of the mean is made of, in bits/dim, largest part first.

    With D what places a datum, P the probes, T the times of a bound,
    ``n Var(mean) = Var(E[image]) + Var(D) + Var(P) + Var(T)``. The estimator tells P and T, given
    the place; half the mean squared difference of two looks at the same images estimates
    ``D + P + T``; the test set is what remains. A difference below zero counts as zero. Where one
    draw tells no variance its own error is NaN, and the looks give it together with D. Without a
    second look all that is not told stays with the test set, and is in that row's name. Shares are
    NaN where what is told exceeds the sampled variance: there are too few images to tell.

    Args:
      evaluation: of the whole data set.
      second: its first examples, with another draw of all that is random; None where there is none.
      drawn: what places a datum: 'dequantization', whose part has the noise at eps in it where the
        start is noised, 'noise at eps', or nothing.
    """
    variances, hidden = _own_variances(evaluation, second, drawn)
    bits = evaluation.account.bits_per_dim[evaluation.good]
    total = float(np.var(bits, ddof=1)) if len(bits) > 1 else math.nan
    known = sum(v for v in variances.values() if not math.isnan(v))
    variances = {_joined(["test set", *hidden]): max(total - known, 0.0)} | variances
    whole = total if known <= total else math.nan
    rows = [_row(name, variance, whole, len(bits)) for name, variance in variances.items()]
    return sorted(rows, key=lambda row: -np.nan_to_num(row["standard_error"], nan=-1.0))


def _row(name: str, variance: float, whole: float, count: int) -> dict[str, Any]:
    return {
        "source": name,
        "standard_error": math.sqrt(variance / count) if count else math.nan,
        "share": variance / whole if whole > 0 else math.nan,
    }


def _own_variances(
    evaluation: Evaluation, second: Evaluation | None, drawn: Sequence[str]
) -> tuple[dict[str, float], list[str]]:
    """Of one image, on average, by source: all but the test set's; and what is in none of them."""
    own = _mean_squares(evaluation, evaluation.good)
    if second is None or not good_in_both(evaluation, second).any():
        return own, _untold(drawn, own)
    named = {name: v for name, v in own.items() if name != DEQUANTIZATION}
    hidden = _untold(drawn, named)
    if not hidden:
        return named, []
    remaining = max(_between_looks(evaluation, second) - _of_looks(evaluation, second), 0.0)
    return named | {_joined(hidden): remaining}, []


def _untold(drawn: Sequence[str], told: dict[str, float]) -> list[str]:
    """What is drawn whose variance is not told; the noise at eps goes with the dequantization."""
    known = [name for name, variance in told.items() if not math.isnan(variance)]
    names = [name for name in dict.fromkeys([*drawn, *told]) if name not in known]
    return [name for name in names if name != NOISE_AT_EPS or DEQUANTIZATION not in names]


def _joined(names: list[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _between_looks(evaluation: Evaluation, second: Evaluation) -> float:
    both = good_in_both(evaluation, second)
    first, again = (e.account.bits_per_dim[: len(both)][both] for e in (evaluation, second))
    return float(np.mean((first - again) ** 2) / 2)


def _of_looks(evaluation: Evaluation, second: Evaluation) -> float:
    """What the estimator says of its own variance on the same images, where it says so."""
    both = good_in_both(evaluation, second)
    looks = [_mean_squares(look, both) for look in (evaluation, second)]
    known = [
        variance
        for look in looks
        for name, variance in look.items()
        if name != DEQUANTIZATION and not math.isnan(variance)
    ]
    return sum(known) / 2


def _mean_squares(evaluation: Evaluation, rows: np.ndarray) -> dict[str, float]:
    """Mean square of the errors of these rows by source, (bits/dim)^2."""
    to_bits = evaluation.account.to_bits_per_dim
    return {
        name: mean(to_bits(error[: len(rows)][rows]) ** 2).value
        for name, error in evaluation.errors.items()
    }


def good_in_both(evaluation: Evaluation, other: Evaluation) -> np.ndarray:
    """Which of the first images succeeded in both looks, as many as the other has."""
    return evaluation.good[: len(other.good)] & other.good


def convergence(
    evaluation: Evaluation, tightened: Evaluation, settings: dict[str, Any]
) -> dict[str, Any]:
    """By how much the first images' mean changes when tolerances are tightened, same keys.

    Args:
      evaluation: of the whole data set.
      tightened: of its first images, with tighter numerics.
      settings: what was tightened, and to what.
    """
    both = good_in_both(evaluation, tightened)
    looser, tighter = (e.account.bits_per_dim[: len(both)][both] for e in (evaluation, tightened))
    change = mean(tighter - looser)
    return {
        "change_bits_per_dim": change.value,
        "standard_error": change.standard_error,
        "images": change.count,
        "tightened": settings,
    }


def of_all(count: int, failed: int, what: str = "images") -> str:
    """How many a mean is over: ``12 images``, or ``10 of 12 images; 2 failed``."""
    return f"{count} of {count + failed} {what}; {failed} failed" if failed else f"{count} {what}"
