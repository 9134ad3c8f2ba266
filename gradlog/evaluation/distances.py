"""Distances between two sets of samples."""

import numpy as np
from jaxtyping import Float


def random_directions(count: int, dims: int, seed: int = 0) -> Float[np.ndarray, "count dims"]:
    """Unit vectors, uniform on the sphere; the same ones for the same seed."""
    normal = np.random.Generator(np.random.Philox(seed)).standard_normal((count, dims))
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def sliced_wasserstein(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "m d"],
    directions: Float[np.ndarray, "count d"],
    order: float = 2.0,
) -> float:
    """``(mean over directions of W_p(<v, x>, <v, y>)^p)^(1/p)``, in the units of the data.

    Rabin et al. 2012, "Wasserstein barycenter and its application to texture mixing"; each
    ``W_p^p = int_0^1 |F_x^-1(q) - F_y^-1(q)|^p dq`` (``order`` p) is exact for the two empirical
    laws. A translation by c has the distance ``|c| / sqrt(d)`` for p = 2, if the directions are
    many. Two sets of one law are apart as well: their distance is the floor of this one.

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
    """Distances to y of disjoint sets as large as y, of which the source has at most ``most``.

    For a source of y's own law: what a perfect sampler would be at.
    """
    sets = min(most, len(source) // len(y))
    rows = [source[k * len(y) : (k + 1) * len(y)] for k in range(sets)]
    return [sliced_wasserstein(x, y, directions) for x in rows]


def _common_steps(n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Intervals of [0, 1] on which both quantile functions are constant: width, and index of each.

    In units of ``1 / (n m)``, where all ends are whole numbers.
    """
    ends = np.union1d(m * np.arange(1, n + 1), n * np.arange(1, m + 1))
    starts = np.concatenate([[0], ends[:-1]])
    return (ends - starts) / (n * m), starts // m, starts // n
