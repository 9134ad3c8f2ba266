"""Precision and recall of samples by nearest neighbors."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num

from gradlog.evaluation.quality.feature_sets import check_features

_NUMBERS_AT_ONCE = 1 << 24  # 128 MiB of distances


@dataclass(frozen=True)
class Neighbors:
    """The share of samples inside the reference set, and of reference data inside the samples."""

    precision: float
    recall: float


def precision_recall(
    x: Num[np.ndarray, "n k"], y: Num[np.ndarray, "m k"], neighbors: int = 3
) -> Neighbors:
    """Return improved precision and recall of samples x; y is the reference set.

    A set covers the balls about its points that reach to each one's ``neighbors``-th nearest other
    point of the set. Precision is the share of x that y covers, recall the share of y that x covers
    (Kynkäänniemi et al. 2019, arXiv:1904.06991, equation 2). Both depend on the sizes of the sets:
    compare equal ones.

    Raises:
      QualityError: see `check_features`; no more examples than ``neighbors``.
    """
    x, y = check_features(x, y, least=neighbors + 1)
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
    """Yield squared distances, some rows at a time; those within rounding are zero."""
    rows = max(1, _NUMBERS_AT_ONCE // len(y))
    norms = np.sum(y**2, axis=1)
    for start in range(0, len(x), rows):
        block = x[start : start + rows]
        scale = np.sum(block**2, axis=1)[:, None] + norms
        squared = scale - 2 * block @ y.T
        yield np.where(squared > x.shape[1] * np.finfo(np.float64).eps * scale, squared, 0.0)
