"""Distances between two sets of samples."""

import numpy as np
from jaxtyping import Float


def random_directions(count: int, dims: int, seed: int = 0) -> Float[np.ndarray, "count dims"]:
    """Return unit vectors, uniform on the sphere. The same seed gives the same ones."""
    normal = np.random.Generator(np.random.Philox(seed)).standard_normal((count, dims))
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def sliced_wasserstein(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "m d"],
    directions: Float[np.ndarray, "count d"],
    order: float = 2.0,
) -> float:
    """Return the sliced Wasserstein distance of two sets, in the units of the data.

    It is ``(mean over directions v of W_p(<v, x>, <v, y>)^p)^(1/p)`` (Rabin et al. 2012,
    "Wasserstein barycenter and its application to texture mixing"). Each ``W_p^p = int_0^1
    |F_x^-1(q) - F_y^-1(q)|^p dq`` of ``order`` p is exact for the two empirical distributions. A
    translation by c has the distance ``|c| / sqrt(d)`` for p = 2, if there are many directions. Two
    sets of one distribution have a distance too, the floor of this one.

    Raises:
      ValueError: an empty set, other dimensions, or an order below one.
    """
    if not (len(x) and len(y)) or x.shape[1:] != y.shape[1:]:
        raise ValueError(f"sets of points of one dimension are needed, got {x.shape}, {y.shape}")
    if order < 1:
        raise ValueError(f"order = {order} must be at least 1")
    a, b = (np.sort(points.astype(np.float64) @ directions.T, axis=0) for points in (x, y))
    width, of_a, of_b = _common_steps(len(a), len(b))
    each = width @ np.abs(a[of_a] - b[of_b]) ** order
    return float(np.mean(each) ** (1 / order))


def distances_within(
    source: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "m d"],
    directions: Float[np.ndarray, "count d"],
    most: int = 8,
) -> list[float]:
    """Return the distances to y of up to ``most`` disjoint parts of a source, as large as y.

    If the source has the distribution of y, these are the distances of a perfect sampler.
    """
    sets = min(most, len(source) // len(y))
    rows = [source[k * len(y) : (k + 1) * len(y)] for k in range(sets)]
    return [sliced_wasserstein(x, y, directions) for x in rows]


def _common_steps(n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the intervals of [0, 1] on which both quantile functions are constant.

    They are widths, and the index of each in either set. The ends are whole numbers of ``1/(n m)``.
    """
    ends = np.union1d(m * np.arange(1, n + 1), n * np.arange(1, m + 1))
    starts = np.concatenate([[0], ends[:-1]])
    return (ends - starts) / (n * m), starts // m, starts // n
