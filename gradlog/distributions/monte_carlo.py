"""A mean over independent draws, with what it may be wrong by."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_CHUNK = 256  # draws at once: what bounds the memory of a law of many points

Estimate = tuple[Float[Array, "*n"], Float[Array, "*n"]]


def monte_carlo(draw: Callable[[Array], Float[Array, "*n"]], key: Array, samples: int) -> Estimate:
    """The mean of ``draw(key)`` over independent keys, and its standard error.

    Args:
      draw: one unbiased value, or an array of them, each with its own mean.
      key: the same key gives the same draws, so that differences between two calls are sharper
        than either (common random numbers).
      samples: number of draws.

    Raises:
      ValueError: there are fewer than two samples, which have no standard error.
    """
    if samples < 2:
        raise ValueError(f"samples = {samples}: a standard error needs two or more")
    values = jax.lax.map(draw, jax.random.split(key, samples), batch_size=min(_CHUNK, samples))
    return jnp.mean(values, axis=0), jnp.std(values, axis=0, ddof=1) / jnp.sqrt(samples)
