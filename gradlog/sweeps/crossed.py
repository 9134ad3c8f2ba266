"""Means over images and seeds, with an error that says both were drawn."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from gradlog.evaluation.uncertainty import LEVEL


@dataclass(frozen=True)
class CrossedMean:
    """Of values in a table of seeds and images.

    Attributes:
      value: their mean.
      images_error: what the images alone contribute to the standard error.
      seeds_error: what the seeds contribute beside; NaN for one seed.
      freedom: degrees of freedom of the standard error (Satterthwaite).
      images: how many.
    """

    value: float
    images_error: float
    seeds_error: float
    freedom: float
    images: int

    @property
    def standard_error(self) -> float:
        """Over images and seeds; over images alone where there is one seed."""
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
    """The mean of a table whose rows are drawn (seeds) and whose columns are drawn (images).

    Crossed random effects, ``y_ri = mu + a_i + b_r + e_ri``: how hard an image is, how well a seed
    came out, and what is neither, the estimator's noise among it. Over R seeds and n images

        Var(mean) = Var(a)/n + Var(b)/R + Var(e)/(n R).

    With the mean squares of images ``A = R sum_i (y_.i - y_..)^2/(n - 1)``, of seeds
    ``B = n sum_r (y_r. - y_..)^2/(R - 1)`` and of the rest ``E = sum_ri (y_ri - y_r. - y_.i +
    y_..)^2/((n - 1)(R - 1))``, whose expectations are ``R Var(a) + Var(e)``, ``n Var(b) + Var(e)``
    and ``Var(e)``, it is estimated without bias by ``(A + B - E)/(n R)``. ``A/(n R)`` is the
    images' part, which is all that the seeds at hand, taken as they are, leave to chance;
    ``(B - E)/(n R)``, the seeds', is an estimate of a variance: below zero it counts as zero.
    Degrees of freedom are Satterthwaite's (1946, Biometrics Bulletin 2, 110); at worst, where the
    seeds' part is most of it, the 95 % interval covers in 92 % of cases with three seeds, in 88 %
    with two. A paired difference of two settings is the mean of the table of differences.

    For one seed only the images' part is known: the mean is of this seed, and the error says
    nothing of another.
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
class Scatter:
    """How much seeds of one setting differ, taken to be alike in all settings.

    Attributes:
      variance: of the mean over all images, between seeds.
      freedom: of how many degrees of freedom that is an estimate; 0 where there is none.
    """

    variance: float
    freedom: float


def scatter_of(tables: Iterable[Float[np.ndarray, "seeds images"]]) -> Scatter:
    """Of the settings with these tables: the mean of ``Var(b)``, weighted by ``R - 1``."""
    found = [
        (crossed_mean(table).seeds_error ** 2 * len(table), len(table) - 1)
        for table in tables
        if len(table) > 1
    ]
    freedom = sum(count for _, count in found)
    return Scatter(sum(v * count for v, count in found) / freedom if found else 0.0, freedom)


def is_told_apart(
    difference: CrossedMean, seeds: int, scatter: Scatter, comparisons: int
) -> bool | None:
    """Whether a difference of two settings is not zero, at 5 % for so many comparisons at once.

    Where one of the two was chosen by the same bits, as the best of k, each pair of the k could
    have been compared: ``comparisons`` is ``k (k - 1)/2``. With ``k - 1`` equal settings would be
    told from the best of nine in 9 to 15 % of sweeps, with all pairs in 1 to 4 %.

    Of three seeds alone little is known of how far a fourth would lie: their two degrees of freedom
    ask for thirteen standard errors where nine settings are compared. So the scatter of all
    settings' seeds is lent to each, ``2 Var(b)/R`` for the difference of two; where a difference's
    own seeds scatter more, their part counts. Where the seeds of some settings scatter ten times as
    much as those of others, 5 % become 7 to 9 %. None where the error is not known.
    """
    if math.isnan(difference.images_error):
        return None
    of_images = difference.images_error**2
    of_seeds = max(np.nan_to_num(difference.seeds_error) ** 2, 2 * scatter.variance / seeds)
    shares = of_images**2 / (difference.images - 1) + (
        of_seeds**2 / scatter.freedom if of_seeds else 0
    )
    freedom = (of_images + of_seeds) ** 2 / shares if shares else math.inf
    quantile = stats.t.ppf(1 - (1 - LEVEL) / (2 * comparisons), freedom)
    return bool(abs(difference.value) > quantile * math.sqrt(of_images + of_seeds))
