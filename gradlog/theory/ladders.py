"""The ladder of noise levels that a data set needs, for a score network that Langevin samples."""

from typing import NamedTuple

import numpy as np
from etils import epy
from jaxtyping import Float

with epy.lazy_imports():  # a run that trains nothing need not wait for them
    from scipy import optimize, stats
    from scipy.spatial import distance

MOST_POINTS = 2000  # points of which all pairs are compared
_OVERLAP = 0.5
_LARGEST_RATIO = 2.0  # of neighbors; in few dimensions the criterion is met by any
_RATIO = 5000.0  # sigma_max/sigma_min of continuous data: the published one of CIFAR-10


class LadderAdvice(NamedTuple):
    """A ladder of noise, and the steps of annealed Langevin dynamics on it.

    Attributes:
      sigma_max: the largest distance between two points.
      sigma_min: the width of a level, at which levels merge; published ladders for 256 levels end
        at 2.56 widths. For continuous data a small share of ``sigma_max``.
      num_scales: number of levels.
      steps_per_level: number of Langevin steps.
      step_size: of ``annealed_langevin``, in the units of its key.
    """

    sigma_max: float
    sigma_min: float
    num_scales: int
    steps_per_level: int
    step_size: float


def advise_ladder(
    points: Float[np.ndarray, "n *D"], level_width: float | None, *, steps_per_level: int = 5
) -> LadderAdvice:
    """Return the ladder of Song & Ermon 2020 for data (arXiv:2006.09011, techniques 1, 2 and 4).

    Their own ladders have 6% more levels than the criterion asks for at an overlap of one half.

    Args:
      points: data in the model's space; the first 2000 are used.
      level_width: the distance of two levels in that space; None for continuous data.
      steps_per_level: the budget of steps; they take 5.

    Raises:
      ValueError: the points do not differ.
    """
    flat = np.asarray(points[:MOST_POINTS], np.float64).reshape(min(len(points), MOST_POINTS), -1)
    sigma_max = float(np.max(distance.pdist(flat), initial=0.0))
    if sigma_max == 0:
        raise ValueError("all points are equal: no noise level separates them")
    sigma_min = level_width if level_width else sigma_max / _RATIO
    gamma = ladder_ratio(flat.shape[1])
    num_scales = max(2, 1 + round(np.log(sigma_max / sigma_min) / np.log(gamma)))
    step = 2 * sigma_min**2 * relative_step(gamma, steps_per_level)
    return LadderAdvice(sigma_max, float(sigma_min), num_scales, steps_per_level, step)


def ladder_ratio(dims: int) -> float:
    """Return the ratio of neighboring levels whose radii overlap by one half (technique 2).

    The norm of ``N(0, sigma^2 I)`` is nearly ``N(sqrt(D) sigma, sigma^2/2)``. Its share within
    three standard deviations of the next level is
    ``Phi(sqrt(2D) (gamma - 1) + 3 gamma) - Phi(sqrt(2D) (gamma - 1) - 3 gamma)``. The ratio is at
    most 2.
    """

    def excess(gamma: float) -> float:
        off = np.sqrt(2 * dims) * (gamma - 1)
        return float(stats.norm.cdf(off + 3 * gamma) - stats.norm.cdf(off - 3 * gamma)) - _OVERLAP

    if excess(_LARGEST_RATIO) >= 0:
        return _LARGEST_RATIO
    return float(optimize.brentq(excess, 1.0, _LARGEST_RATIO))  # pyright: ignore[reportArgumentType]


def relative_step(gamma: float, steps: int) -> float:
    """Return ``epsilon/sigma_L^2`` that brings a level nearest to its own variance (technique 4).

    After ``steps`` steps from the level before, the variance is
    ``(1 - e)^(2T) (gamma^2 - 2e/(1 - (1 - e)^2)) + 2e/(1 - (1 - e)^2)`` in units of the level's
    own, for data at one point. It is above 1 at every step size.
    """
    e = np.geomspace(1e-6, 1.0, 20_000)
    limit = 2 * e / (1 - (1 - e) ** 2)
    variance = (1 - e) ** (2 * steps) * (gamma**2 - limit) + limit
    return float(e[np.argmin(np.abs(variance - 1))])
