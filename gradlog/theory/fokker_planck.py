"""The density of a diffusion model's reverse SDE in one dimension, on a grid."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.linalg import solve_banded

from gradlog.sde_lib import SDE
from gradlog.theory.line import Line

ScoreFn = Callable[[Any, Any], Any]
_GAMMA = 1 - np.sqrt(0.5)  # of the L-stable diagonally implicit method of order two


def score_table(
    sde: SDE, score_fn: ScoreFn, line: Line, eps: float
) -> Float[Array, "steps cells-1"]:
    """``S(t) s(S(t) u, t)`` in the middle of each step at each face: all that is asked of a model.

    It can be traced; ``score_fn`` takes and gives arrays of shape (1,).
    """
    faces = jnp.asarray(line.faces)

    def at(level: Float[Array, ""]) -> Float[Array, " cells-1"]:
        spread, t = line.spread(sde, level), sde.time_of_log_rho(level)
        return spread * jax.vmap(lambda u: score_fn((spread * u)[None], t)[0])(faces)

    return jax.lax.map(at, line.middles(sde, eps))


def reverse_density(
    sde: SDE, scores: Float[Array, "steps cells-1"], line: Line, eps: float
) -> Float[np.ndarray, " cells"]:
    """Mean density over each cell, per unit of u, of ``dx = [f x - g^2 s] dt + g dW`` run to eps.

    From the SDE's prior at t_max. In u and ``theta = log(S/alpha)`` every affine process obeys

      ``dq/d(-theta) = d/du [dq/du - (u + 2 S s) q]``

    Finite volumes with exponentially fitted fluxes (Scharfetter & Gummel 1969) through closed ends:
    the mass is kept exactly, and the error is of second order in the cell. In theta by the L-stable
    implicit method of order two (Alexander 1977) with the operator in the middle of the step.

    Args:
      sde: the process.
      scores: of the model, by ``score_table``.
      line: the grid.
      eps: where the model ends.

    Raises:
      ValueError: a score is not finite.
    """
    table = np.asarray(scores, np.float64)
    if not np.isfinite(table).all():
        raise ValueError("the score is not finite on the grid; none of its densities would be")
    levels = np.asarray(line.levels(sde, eps), np.float64)
    steps = -np.diff(0.5 * np.logaddexp(2 * np.log(line.scale), 2 * levels))
    density = np.exp(line.log_prior(sde))
    for row, step in zip(table, steps, strict=True):
        density = _advance(density, line.faces + 2 * row, step, line.width)
    return density


def _advance(density, drift, step: float, width: float) -> Float[np.ndarray, " cells"]:
    """``y = (1 - c A)^-1 q``, then ``(1 - c A)^-1 (q + (1 - gamma) step A y)``, c = gamma step."""
    below, diagonal, above = _operator(drift, width)
    banded = np.zeros((3, len(density)))
    banded[0, 1:], banded[1], banded[2, :-1] = above, diagonal, below
    banded *= -_GAMMA * step
    banded[1] += 1
    middle = solve_banded((1, 1), banded, density)
    slope = (middle - density) / (_GAMMA * step)
    return solve_banded((1, 1), banded, density + (1 - _GAMMA) * step * slope)


def _operator(drift, width: float):
    """The three diagonals of A in ``dq/dt = A q``, from the drift at the faces.

    The flux through a face is ``[B(-w h) q_left - B(w h) q_right]/h``, ``B(x) = x/(exp x - 1)``.
    """
    out, back = (_bernoulli(sign * drift * width) / width**2 for sign in (-1, 1))
    diagonal = np.zeros(len(drift) + 1)
    diagonal[:-1] -= out
    diagonal[1:] -= back
    return out, diagonal, back


def _bernoulli(x) -> Float[np.ndarray, " n"]:
    x = np.where(np.abs(x) < 1e-8, 1e-8, np.clip(x, -700, 700))
    return x / np.expm1(x)
