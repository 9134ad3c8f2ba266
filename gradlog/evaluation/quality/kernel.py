"""The kernel distance of two sets of features (KID)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Num

from gradlog.evaluation.quality.feature_sets import check_features


@dataclass(frozen=True)
class Kernel:
    """A kernel distance: the mean over subsets, and its standard error."""

    value: float
    standard_error: float
    subset_size: int


def polynomial_mmd(x: Float[np.ndarray, "n k"], y: Float[np.ndarray, "m k"]) -> float:
    """Return the unbiased squared maximum mean discrepancy of the kernel ``(<a, b>/k + 1)^3``.

    ``mean of k(x_i, x_j), i != j, + the same of y - 2 mean of k(x_i, y_j)``: Gretton et al. 2012,
    JMLR 13, 723, equation 3; the kernel is of Bińkowski et al. 2018, arXiv:1801.01401. Its mean is
    zero for two sets of one law, so that it may be negative.
    """
    return _within(x) + _within(y) - 2 * float(np.mean(_kernel(x, y)))


def kernel_distance(
    x: Num[np.ndarray, "n k"],
    y: Num[np.ndarray, "m k"],
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> Kernel:
    """Return KID, the mean of `polynomial_mmd` over random subsets (Bińkowski et al. 2018).

    A subset has no point twice, but subsets share points: with the share f of the smaller set in
    each, their variance ``s^2`` gives that of the mean as ``f/(1 - f) s^2 + s^2/subsets``, the
    jackknife that leaves out many at once (Shao and Wu 1989, Ann. Statist. 17, 1176), and the
    error of having drawn so few subsets. A subset takes at most half of a set.

    Raises:
      QualityError: see `check_features`; fewer than four examples.
    """
    x, y = check_features(x, y, least=4)
    smaller = min(len(x), len(y))
    size = min(subset_size, smaller // 2)
    of_x, of_y = _subsets(len(x), size, seed, 0), _subsets(len(y), size, seed, 1)
    found = np.array([polynomial_mmd(x[next(of_x)], y[next(of_y)]) for _ in range(subsets)])
    share = size / smaller
    variance = found.var(ddof=1) * (share / (1 - share) + 1 / subsets)
    return Kernel(float(found.mean()), math.sqrt(variance), size)


def _subsets(count: int, size: int, seed: int, which: int) -> Iterator[Int[np.ndarray, " size"]]:
    """Yield random subsets without end; every NumPy draws the same ones for a seed."""
    stream = np.random.Philox(np.random.SeedSequence(seed, spawn_key=(which,)))
    while True:
        yield np.argsort(stream.random_raw(count), kind="stable")[:size]


def _within(x: Float[np.ndarray, "n k"]) -> float:
    gram = _kernel(x, x)
    return float((gram.sum() - np.trace(gram)) / (len(x) * (len(x) - 1)))


def _kernel(x: Float[np.ndarray, "n k"], y: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "n m"]:
    return (x @ y.T / x.shape[1] + 1) ** 3
