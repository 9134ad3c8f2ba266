"""The standard error of a mean over a data set: its interval, and its split by source."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from etils import epy
from jaxtyping import Float

with epy.lazy_imports():  # only means that are computed need it
    from scipy import special, stats

from gradlog.evaluation.likelihood import Evaluation
from gradlog.likelihood import mean_standard_error

LEVEL = 0.95
DEQUANTIZATION, NOISE_AT_EPS = "dequantization", "noise at eps"
Values = Float[np.ndarray, " n"]


@dataclass(frozen=True)
class Mean:
    """The mean of independent values, with its standard error (NaN for fewer than two values)."""

    value: float
    standard_error: float
    count: int

    @property
    def interval(self) -> dict[str, float]:
        """Return Student's interval for the expectation."""
        half = math.nan
        if self.count > 1:
            half = self.standard_error * float(special.stdtrit(self.count - 1, (1 + LEVEL) / 2))
        return {"level": LEVEL, "low": self.value - half, "high": self.value + half}


def mean(values: Values) -> Mean:
    """Return the mean in float64; NaN without a value."""
    values = np.asarray(values, np.float64)
    average = float(np.mean(values)) if len(values) else math.nan
    return Mean(average, mean_standard_error(values), len(values))


def wilson_interval(right: int, count: int) -> dict[str, float]:
    """Return an interval for a probability, of which ``right`` of ``count`` trials are a sample.

    It holds the p with ``|right/count - p| <= z sqrt(p (1 - p)/count)``: Wilson 1927, J. Amer.
    Statist. Assoc. 22, 209. Unlike a standard error it has a length if all trials are right.
    """
    if not count:
        return {"level": LEVEL, "low": math.nan, "high": math.nan}
    found = stats.binomtest(right, count).proportion_ci(LEVEL, method="wilson")
    return {"level": LEVEL, "low": float(found.low), "high": float(found.high)}


def count_of(count: int, failed: int, what: str = "images") -> str:
    """Return the number of images of a mean in words: '12 images', '10 of 12 images; 2 failed'."""
    return f"{count} of {count + failed} {what}; {failed} failed" if failed else f"{count} {what}"


def error_split(
    evaluation: Evaluation, second: Evaluation | None, drawn: Sequence[str] = (DEQUANTIZATION,)
) -> list[dict[str, Any]]:
    """Split the squared standard error of the mean by source, in bits/dim, largest part first.

    D are the draws that place a datum, P the probes and T the times of a bound:
    ``n Var(mean) = Var(E[image]) + Var(D) + Var(P) + Var(T)``. The estimator reports P and T for a
    fixed place. Half the mean squared difference of two looks at the same images estimates
    ``D + P + T``. The test set is the rest. A negative difference counts as zero. Where one draw
    gives no variance, its own error is NaN, and the looks give it together with D. Without a second
    look, unreported parts stay with the test set, and the name of that row lists them. Shares are
    NaN where the reported parts exceed the sampled variance: there are too few images to split it.

    Args:
      evaluation: of the whole data set.
      second: of its first examples, with another draw of all that is random; None for no second
        look.
      drawn: the draws that place a datum: 'dequantization', 'noise at eps', or none. With a noised
        start, the part of the dequantization includes the noise at eps.
    """
    variances, unreported = _own_variances(evaluation, second, drawn)
    bits = evaluation.account.bits_per_dim[evaluation.good]
    total = float(np.var(bits, ddof=1)) if len(bits) > 1 else math.nan
    known = sum(v for v in variances.values() if not math.isnan(v))
    variances = {_joined(["test set", *unreported]): max(total - known, 0.0)} | variances
    whole = total if known <= total else math.nan
    rows = [
        {
            "source": name,
            "standard_error": math.sqrt(variance / len(bits)) if len(bits) else math.nan,
            "share": variance / whole if whole > 0 else math.nan,
        }
        for name, variance in variances.items()
    ]
    return sorted(rows, key=lambda row: -np.nan_to_num(row["standard_error"], nan=-1.0))


def _own_variances(
    evaluation: Evaluation, second: Evaluation | None, drawn: Sequence[str]
) -> tuple[dict[str, float], list[str]]:
    """Return the mean variance of an image by source, without the test set's own.

    Also return the sources whose variance is in none of them.
    """
    own = _mean_squares(evaluation, evaluation.good)
    if second is None or not good_in_both(evaluation, second).any():
        return own, _unreported(drawn, own)
    named = {name: v for name, v in own.items() if name != DEQUANTIZATION}
    unreported = _unreported(drawn, named)
    if not unreported:
        return named, []
    both = good_in_both(evaluation, second)
    first, again = (e.account.bits_per_dim[: len(both)][both] for e in (evaluation, second))
    between_looks = float(np.mean((first - again) ** 2) / 2)
    reported = [
        variance
        for look in (evaluation, second)
        for name, variance in _mean_squares(look, both).items()
        if name != DEQUANTIZATION and not math.isnan(variance)
    ]
    remaining = max(between_looks - sum(reported) / 2, 0.0)
    return named | {_joined(unreported): remaining}, []


def _unreported(drawn: Sequence[str], reported: dict[str, float]) -> list[str]:
    """Return the draws without a variance; the noise at eps belongs to the dequantization."""
    known = [name for name, variance in reported.items() if not math.isnan(variance)]
    names = [name for name in dict.fromkeys([*drawn, *reported]) if name not in known]
    return [name for name in names if name != NOISE_AT_EPS or DEQUANTIZATION not in names]


def _joined(names: list[str]) -> str:
    """Return 'a', 'a and b' or 'a, b and c'."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _mean_squares(evaluation: Evaluation, rows: np.ndarray) -> dict[str, float]:
    """Return the mean square of the errors of these rows by source, in (bits/dim)^2."""
    to_bits = evaluation.account.to_bits_per_dim
    return {
        name: mean(to_bits(error[: len(rows)][rows]) ** 2).value
        for name, error in evaluation.errors.items()
    }


def good_in_both(evaluation: Evaluation, other: Evaluation) -> np.ndarray:
    """Return which of the first images succeeded in both looks, as many as the other look has."""
    return evaluation.good[: len(other.good)] & other.good


def convergence(
    evaluation: Evaluation, tightened: Evaluation, settings: dict[str, Any]
) -> dict[str, Any]:
    """Return the change of the first images' mean under tighter tolerances, with the same keys.

    Args:
      evaluation: of the whole data set.
      tightened: of its first images, with tighter numerics.
      settings: the tightened settings with their new values.
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


def changed_fields(before: Any, after: Any) -> dict[str, Any]:
    """Return the values of ``after``, by dotted field name, where two nested dataclasses differ.

    The name 'likelihood' is left out: 'solver.rtol', not 'likelihood.solver.rtol'.
    """
    if not dataclasses.is_dataclass(before) or type(before) is not type(after):
        return {"": after} if before != after else {}
    found = {}
    for field in dataclasses.fields(before):
        inner = changed_fields(getattr(before, field.name), getattr(after, field.name))
        prefix = "" if field.name == "likelihood" else field.name
        found |= {".".join(filter(None, (prefix, name))): value for name, value in inner.items()}
    return found
