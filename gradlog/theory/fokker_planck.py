"""The density of a diffusion model's reverse SDE in one dimension, by finite volumes on a grid."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.linalg import solve_banded
from scipy.special import exprel

from gradlog.sde_lib import SDE

ScoreFn = Callable[[Any, Any], Any]
_GAMMA = 1 - np.sqrt(0.5)  # of the L-stable diagonally implicit method of order two


@dataclass(frozen=True)
class LineGrid:
    """A grid over ``u = x / S(t)`` with ``S^2 = alpha^2 scale^2 + sigma^2``, and over log rho.

    In u a law of standard deviation ``scale`` has unit variance at every noise level. So one grid
    suits every affine process.

    Attributes:
      scale: approximate standard deviation of the data.
      half_width: the grid covers -half_width to half_width, in units of S.
      cells: number of equal intervals of u; twice as many divide the error by four.
      steps: number of equal intervals of log rho; twice as many divide the error by four.
    """

    scale: float = 1.0
    half_width: float = 6.0
    cells: int = 600
    steps: int = 300

    def __post_init__(self) -> None:
        if not (self.scale > 0 and self.half_width > 0 and self.cells >= 2 and self.steps >= 1):
            raise ValueError(f"{self}: all must be positive, and cells at least 2")

    @property
    def width(self) -> float:
        """Width of a cell, in u."""
        return 2 * self.half_width / self.cells

    @property
    def faces(self) -> Float[np.ndarray, " cells-1"]:
        """Points between two cells."""
        return self.width * np.arange(1, self.cells) - self.half_width

    @property
    def centers(self) -> Float[np.ndarray, " cells"]:
        """Centers of the cells."""
        return self.width * (np.arange(self.cells) + 0.5) - self.half_width

    def levels(self, sde: SDE, eps: float) -> Float[Array, " steps+1"]:
        """Return the values of log rho from t_max down to eps."""
        return jnp.linspace(sde.log_rho(sde.t_max), sde.log_rho(eps), self.steps + 1)

    def middles(self, sde: SDE, eps: float) -> Float[Array, " steps"]:
        """Return the middles of the steps in log rho, where the score is evaluated."""
        levels = self.levels(sde, eps)
        return 0.5 * (levels[:-1] + levels[1:])

    def spread(self, sde: SDE, log_rho: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """Return S at levels of log rho: ``x = S u``."""
        alpha = jnp.exp(sde.log_alpha_of_log_rho(log_rho))
        return alpha * jnp.sqrt(self.scale**2 + jnp.exp(2 * log_rho))

    def log_prior(self, sde: SDE) -> Float[np.ndarray, " cells"]:
        """Return the log density of the SDE's prior at the centers, per unit of u."""
        std = float(sde.prior_std / self.spread(sde, sde.log_rho(sde.t_max)))
        return -0.5 * (self.centers / std) ** 2 - np.log(std) - 0.5 * np.log(2 * np.pi)


def score_table(
    sde: SDE, score_fn: ScoreFn, grid: LineGrid, eps: float
) -> Float[Array, "steps cells-1"]:
    """Return ``S(t) s(S(t) u, t)`` in the middle of each step at each face.

    The solver needs nothing else of a model. This function can be traced. ``score_fn`` maps arrays
    of shape (1,) to arrays of shape (1,).
    """
    faces = jnp.asarray(grid.faces)

    def at(level: Float[Array, ""]) -> Float[Array, " cells-1"]:
        spread, t = grid.spread(sde, level), sde.time_of_log_rho(level)
        return spread * jax.vmap(lambda u: score_fn((spread * u)[None], t)[0])(faces)

    return jax.lax.map(at, grid.middles(sde, eps))


def reverse_density(
    sde: SDE, scores: Float[Array, "steps cells-1"], grid: LineGrid, eps: float
) -> Float[np.ndarray, " cells"]:
    """Return the mean density over each cell, per unit of u, of the reverse SDE at eps.

    The SDE ``dx = [f x - g^2 s] dt + g dW`` starts from the prior at t_max. In u and
    ``theta = log(S/alpha)`` every affine process obeys

      ``dq/d(-theta) = d/du [dq/du - (u + 2 S s) q]``

    In space: finite volumes with exponentially fitted fluxes (Scharfetter & Gummel 1969) and closed
    ends. They conserve mass exactly, and their error is of second order in the cell. In theta: the
    L-stable implicit method of order two (Alexander 1977) with the operator in the middle of the
    step.

    Args:
      sde: the process.
      scores: the result of ``score_table``.
      grid: the grid of that table.
      eps: time at which the model ends.

    Raises:
      ValueError: a score is not finite.
    """
    table = np.asarray(scores, np.float64)
    if not np.isfinite(table).all():
        raise ValueError("the score is not finite on the grid, so the model has no density there")
    levels = np.asarray(grid.levels(sde, eps), np.float64)
    steps = -np.diff(0.5 * np.logaddexp(2 * np.log(grid.scale), 2 * levels))
    density = np.exp(grid.log_prior(sde))
    for row, step in zip(table, steps, strict=True):
        density = _advance(density, grid.faces + 2 * row, step, grid.width)
    return density


def _advance(density, drift, step: float, width: float) -> Float[np.ndarray, " cells"]:
    """Take one step of ``dq/dt = A q``, where the drift at the faces determines A.

    The flux through a face is ``[B(-w h) q_left - B(w h) q_right]/h``, ``B(x) = x/(exp x - 1)``,
    the inverse of ``exprel(x)``.
    With c = gamma step, the method is ``y = (1 - c A)^-1 q``, then
    ``(1 - c A)^-1 (q + (1 - gamma) step A y)``.
    """
    out, back = (1 / (exprel(sign * drift * width) * width**2) for sign in (-1, 1))
    diagonal = np.zeros(len(density))
    diagonal[:-1] -= out
    diagonal[1:] -= back
    banded = np.zeros((3, len(density)))
    banded[0, 1:], banded[1], banded[2, :-1] = back, diagonal, out
    banded *= -_GAMMA * step
    banded[1] += 1
    middle = solve_banded((1, 1), banded, density)
    slope = (middle - density) / (_GAMMA * step)
    return solve_banded((1, 1), banded, density + (1 - _GAMMA) * step * slope)
