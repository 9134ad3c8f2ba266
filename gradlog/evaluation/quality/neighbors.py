"""Precision and recall of samples, by the distances of nearest neighbors."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num

from gradlog.evaluation.quality.sets import checked

_NUMBERS_AT_ONCE = 1 << 24  # 128 MiB of distances


@dataclass(frozen=True)
class Neighbors:
    """Shares of samples inside the reference set, and of that inside the samples, in [0, 1]."""

    precision: float
    recall: float


def precision_recall(
    x: Num[np.ndarray, "n k"], y: Num[np.ndarray, "m k"], neighbors: int = 3
) -> Neighbors:
    """Improved precision and recall of samples x, y the reference set.

    A set covers the balls about its points that reach to each one's ``neighbors``-th nearest other
    point of the set. Precision is the share of x that y covers, recall the share of y that x covers
    (Kynkäänniemi et al. 2019, arXiv:1904.06991, equation 2). Both depend on the sizes of the sets:
    compare equal ones.

    Raises:
      QualityError: see ``checked``; no more examples than ``neighbors``.
    """
    x, y = checked(x, y, least=neighbors + 1)
    return Neighbors(_covered(x, y, neighbors), _covered(y, x, neighbors))


def _covered(
    points: Float[np.ndarray, "n k"], by: Float[np.ndarray, "m k"], neighbors: int
) -> float:
    radii = np.concatenate(
        [np.partition(rows, neighbors, axis=1)[:, neighbors] for rows in _distances(by, by)]
    )  # the nearest of all is the point itself
    inside = [(rows <= radii).any(axis=1) for rows in _distances(points, by)]
    return float(np.mean(np.concatenate(inside)))


def _distances(
    x: Float[np.ndarray, "n k"], y: Float[np.ndarray, "m k"]
) -> Iterator[Float[np.ndarray, "rows m"]]:
    """Squared distances, as many rows at once as fit; zero where they are nothing but rounding."""
    rows = max(1, _NUMBERS_AT_ONCE // len(y))
    norms = np.sum(y**2, axis=1)
    for start in range(0, len(x), rows):
        block = x[start : start + rows]
        scale = np.sum(block**2, axis=1)[:, None] + norms
        squared = scale - 2 * block @ y.T
        yield np.where(squared > x.shape[1] * np.finfo(np.float64).eps * scale, squared, 0.0)
