"""The constant of an unnormalized density, with its error."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gradlog.distributions import Estimate


def log_normalizer_by_quadrature(
    log_density: Callable[[Float[Array, " d"]], Float[Array, ""]],
    dims: int,
    extent: float,
    *,
    points: int = 400,
) -> float:
    """Return ``log int exp(log_density)`` in nats over a cube around the origin, for d <= 2.

    The midpoint rule: its error is beyond all powers of the cell if the density vanishes at the
    sides.

    Args:
      log_density: of a point, up to the constant.
      dims: 1 or 2.
      extent: half the side of the cube; the density must be negligible outside.
      points: number along each side.

    Raises:
      ValueError: there are more than two dimensions.
    """
    if dims not in (1, 2):
        raise ValueError(f"dims = {dims}: quadrature needs 1 or 2; use importance sampling")
    width = 2 * extent / points
    axis = -extent + width * (np.arange(points) + 0.5)
    grid = np.stack(np.meshgrid(*[axis] * dims), axis=-1).reshape(-1, dims)
    values = jax.jit(jax.vmap(log_density))(jnp.asarray(grid, jnp.float32))
    return float(jax.nn.logsumexp(values)) + dims * math.log(width)


def log_normalizer_by_importance(
    log_density: Float[Array, " n"], log_proposal: Float[Array, " n"]
) -> Estimate:
    """Return ``log 1/n sum exp(log_density - log_proposal)`` in nats, and its standard error.

    The error is that of the mean of the weights, relative to it (the delta method). It is honest
    only where the proposal covers the density: an energy's own flow does.

    Args:
      log_density: at draws of the proposal, up to the constant.
      log_proposal: the log density of the proposal there, normalized.
    """
    log_weights = jnp.asarray(log_density) - jnp.asarray(log_proposal)
    peak = jnp.max(log_weights)
    weights = jnp.exp(log_weights - peak)
    mean = jnp.mean(weights)
    return peak + jnp.log(mean), jnp.std(weights, ddof=1) / mean / math.sqrt(len(weights))
