"""Means over images and seeds, with standard errors that count both as random."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from gradlog.evaluation.uncertainty import LEVEL


@dataclass(frozen=True)
class CrossedMean:
    """The mean of a table of seeds and images.

    Attributes:
      value: the mean.
      images_error: the contribution of the images to the standard error.
      seeds_error: the contribution of the seeds; NaN for one seed.
      freedom: degrees of freedom of the standard error (Satterthwaite).
      images: the number of images.
    """

    value: float
    images_error: float
    seeds_error: float
    freedom: float
    images: int

    @property
    def standard_error(self) -> float:
        """The standard error over images and seeds; over images alone if there is one seed."""
        known = [error for error in (self.images_error, self.seeds_error) if not math.isnan(error)]
        return math.hypot(*known) if known else math.nan

    @property
    def interval(self) -> Mapping[str, float]:
        """Student's interval for the expectation."""
        half = math.nan
        if self.freedom > 0:
            half = float(stats.t.ppf((1 + LEVEL) / 2, self.freedom)) * self.standard_error
        return {"level": LEVEL, "low": self.value - half, "high": self.value + half}


def crossed_mean(values: Float[np.ndarray, "seeds images"]) -> CrossedMean:
    """Return the mean of a table whose rows (seeds) and columns (images) are both random.

    The model has crossed random effects, ``y_ri = mu + a_i + b_r + e_ri``: the difficulty of an
    image, the luck of a seed, and the rest, which includes the estimator's noise. Over R seeds and
    n images

        Var(mean) = Var(a)/n + Var(b)/R + Var(e)/(n R).

    The mean squares are ``A = R sum_i (y_.i - y_..)^2/(n - 1)`` for images,
    ``B = n sum_r (y_r. - y_..)^2/(R - 1)`` for seeds and
    ``E = sum_ri (y_ri - y_r. - y_.i + y_..)^2/((n - 1)(R - 1))`` for the rest. Their expectations
    are ``R Var(a) + Var(e)``, ``n Var(b) + Var(e)`` and ``Var(e)``. So ``(A + B - E)/(n R)``
    estimates the variance of the mean without bias.

    ``A/(n R)`` is the images' part: the variance for the seeds at hand. ``(B - E)/(n R)`` is the
    seeds' part. It estimates a variance, so a negative value counts as zero.

    The degrees of freedom are Satterthwaite's (1946, Biometrics Bulletin 2, 110). In the worst
    case, where the seeds' part dominates, the 95 % interval covers 92 % with three seeds and 88 %
    with two. A paired difference of two settings is the mean of the table of differences.

    With one seed only the images' part is known. The mean then holds for this seed, and its error
    does not include the variation between seeds.
    """
    values = np.asarray(values, np.float64)
    seeds, images = values.shape
    if not images:
        return CrossedMean(math.nan, math.nan, math.nan, 0, images)
    mean, by_seed, by_image = values.mean(), values.mean(axis=1), values.mean(axis=0)
    if images == 1:
        return CrossedMean(float(mean), math.nan, math.nan, 0, images)
    of_images = seeds * np.var(by_image, ddof=1)
    images_error = math.sqrt(of_images / values.size)
    if seeds == 1:
        return CrossedMean(float(mean), images_error, math.nan, images - 1, images)
    of_seeds = images * np.var(by_seed, ddof=1)
    rest = values - by_seed[:, None] - by_image + mean
    of_rest = np.sum(rest**2) / ((images - 1) * (seeds - 1))
    if of_seeds <= of_rest:
        return CrossedMean(float(mean), images_error, 0.0, images - 1, images)
    seeds_error = math.sqrt((of_seeds - of_rest) / values.size)
    counts = (images - 1, seeds - 1, (images - 1) * (seeds - 1))
    squares = zip((of_images, of_seeds, of_rest), counts, strict=True)
    freedom = (of_images + of_seeds - of_rest) ** 2 / sum(m**2 / count for m, count in squares)
    return CrossedMean(float(mean), images_error, seeds_error, float(freedom), images)


@dataclass(frozen=True)
class SeedVariance:
    """The variance between the seeds of one setting, assumed to be equal in all settings.

    Attributes:
      variance: the variance of a seed's mean over all images.
      freedom: degrees of freedom of this estimate; 0 if there is none.
    """

    variance: float
    freedom: float


def pool_seed_variance(tables: Iterable[Float[np.ndarray, "seeds images"]]) -> SeedVariance:
    """Return the mean of ``Var(b)`` over the settings with these tables, weighted by ``R - 1``."""
    estimates = [
        (crossed_mean(table).seeds_error ** 2 * len(table), len(table) - 1)
        for table in tables
        if len(table) > 1
    ]
    freedom = sum(count for _, count in estimates)
    total = sum(variance * count for variance, count in estimates)
    return SeedVariance(total / freedom if freedom else 0.0, freedom)


def is_significant(
    difference: CrossedMean, seeds: int, pooled: SeedVariance, comparisons: int
) -> bool | None:
    """Return whether a difference of two settings is not zero, at 5 % for all comparisons together.

    The best of k settings is chosen by the same numbers, so any of the k settings' pairs might have
    been compared: ``comparisons`` is ``k (k - 1)/2``. With all pairs, equal settings are separated
    from the best of nine in 1 to 4 % of sweeps; with ``k - 1`` comparisons it would be 9 to 15 %.

    Three seeds alone say little about a fourth: with two degrees of freedom the test would need
    thirteen standard errors for nine settings. So the variance between seeds is pooled over all
    settings and contributes ``2 Var(b)/R`` to the variance of the difference. If the seeds of this
    difference vary more, their own part counts. If the seeds of some settings vary ten times as
    much as those of others, the 5 % become 7 to 9 %.

    The result is None if the error is unknown.
    """
    if math.isnan(difference.images_error):
        return None
    of_images = difference.images_error**2
    of_seeds = max(np.nan_to_num(difference.seeds_error) ** 2, 2 * pooled.variance / seeds)
    shares = of_images**2 / (difference.images - 1) + (
        of_seeds**2 / pooled.freedom if of_seeds else 0
    )
    freedom = (of_images + of_seeds) ** 2 / shares if shares else math.inf
    quantile = stats.t.ppf(1 - (1 - LEVEL) / (2 * comparisons), freedom)
    return bool(abs(difference.value) > quantile * math.sqrt(of_images + of_seeds))
