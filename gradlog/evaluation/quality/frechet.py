"""The Fréchet distance of two Gaussians, and FID with its standard error."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num

from gradlog.evaluation.quality.feature_sets import QualityError, check_features


@dataclass(frozen=True)
class Moments:
    """Mean and unbiased covariance of ``count`` points."""

    count: int
    mean: Float[np.ndarray, " k"]
    covariance: Float[np.ndarray, "k k"]


@dataclass(frozen=True)
class Frechet:
    """A squared Fréchet distance between samples and a reference set held fixed.

    Attributes:
      value: of the moments as they are, the number that is published as FID.
      standard_error: of the value, by the drawing of the samples.
      extrapolated: to infinitely many samples; NaN where they are too few for that.
    """

    value: float
    standard_error: float
    extrapolated: float


def moments(x: Float[np.ndarray, "n k"]) -> Moments:
    """Return the moments of the rows, in double precision."""
    mean = x.mean(axis=0, dtype=np.float64)
    centered = x - mean
    return Moments(len(x), mean, centered.T @ centered / (len(x) - 1))


def frechet_distance(a: Moments, b: Moments) -> float:
    """Return ``|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))``, in squared feature units.

    Dowson and Landau 1982, J. Multivariate Anal. 12, 450; for features of images FID, Heusel et al.
    2017, arXiv:1706.08500. With ``C = F F^T`` the trace of the root is the sum of the singular
    values of ``F_a^T F_b``: no root of a matrix that is not symmetric, and nothing is added to a
    covariance that is singular, as it is of no more points than features.
    """
    return _distance(a, b, _factor(b.covariance))


def frechet(x: Num[np.ndarray, "n k"], y: Num[np.ndarray, "m k"], groups: int = 10) -> Frechet:
    """Return FID of samples x against the reference set y, with its error by a jackknife.

    The samples are cut into ``groups`` (G) of equal size and each is left out in turn:
    ``s.e.^2 = (G - 1)/G sum_g (F_g - mean F)^2`` (Efron and Tibshirani 1993, chapter 11). FID falls
    with the number of samples as ``F_infinity + c/n`` (Chong and Forsyth 2020, arXiv:1911.07023);
    the same groups tell ``c/n = (G - 1)(mean F - F)``, and ``extrapolated`` is without it. The
    reference set's own part of that bias stays, as in every published FID.

    Raises:
      QualityError: see `check_features`; or fewer than two examples would be left.
    """
    x, y = check_features(x, y, least=3)
    if not 2 <= groups <= len(x) // 2:
        raise QualityError(
            f"{len(x)} samples cannot be cut into {groups} groups of two or more, for FID's error"
        )
    reference = moments(y)
    factor = _factor(reference.covariance)
    value = _distance(moments(x), reference, factor)
    without = np.array([_distance(rest, reference, factor) for rest in _left_out(x, groups)])
    spread = (groups - 1) * np.mean((without - without.mean()) ** 2)
    bias = (groups - 1) * (without.mean() - value)
    smallest = len(x) - -(-len(x) // groups)
    enough = smallest > x.shape[1]  # else covariances are singular, and the bias is not c/n
    return Frechet(value, float(np.sqrt(spread)), float(value - bias) if enough else float("nan"))


def _left_out(x: Float[np.ndarray, "n k"], groups: int) -> Iterator[Moments]:
    """Yield the moments without each group, from sums about the mean of all points."""
    mean = x.mean(axis=0)
    centered = x - mean
    total = centered.T @ centered
    for group in range(groups):
        left = centered[group::groups]
        count = len(x) - len(left)
        shift = -left.sum(axis=0) / count
        scatter = total - left.T @ left - count * np.outer(shift, shift)
        yield Moments(count, mean + shift, scatter / (count - 1))


def _distance(a: Moments, b: Moments, factor: Float[np.ndarray, "k k"]) -> float:
    """Return the distance to b, whose covariance has this factor."""
    root = np.linalg.svd(_factor(a.covariance).T @ factor, compute_uv=False).sum()
    apart = np.sum((a.mean - b.mean) ** 2)
    return float(apart + np.trace(a.covariance) + np.trace(b.covariance) - 2 * root)


def _factor(covariance: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "k k"]:
    """Return F with ``F F^T`` the covariance; negative eigenvalues are rounding and become zero."""
    try:
        return np.linalg.cholesky(covariance)  # sooner done than eigenvectors
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        return vectors * np.sqrt(np.maximum(values, 0.0))
