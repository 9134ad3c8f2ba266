"""Random directions, and what a score does along them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models.bound_model import ScoreFn

# ``(key, shape, dtype) -> v`` with ``E v v^T = I``.
SliceLaw = Callable[[jax.Array, tuple[int, ...], jnp.dtype], Float[Array, "*D"]]


def rademacher(key: jax.Array, shape: tuple[int, ...], dtype: jnp.dtype) -> Float[Array, "*D"]:
    """Independent signs: ``||v||^2`` is d, always."""
    return jax.random.rademacher(key, shape, dtype)


def gaussian(key: jax.Array, shape: tuple[int, ...], dtype: jnp.dtype) -> Float[Array, "*D"]:
    """Standard normal."""
    return jax.random.normal(key, shape, dtype)


def sphere(key: jax.Array, shape: tuple[int, ...], dtype: jnp.dtype) -> Float[Array, "*D"]:
    """Uniform on the sphere of radius ``sqrt(d)``."""
    v = jax.random.normal(key, shape, dtype)
    return v * (math.sqrt(math.prod(shape)) / jnp.sqrt(jnp.sum(v**2)))


SLICE_LAWS: dict[str, SliceLaw] = {
    "gaussian": gaussian,
    "rademacher": rademacher,
    "sphere": sphere,
}


@dataclass(frozen=True)
class Slices:
    """``slices`` independent directions for each example, over which an objective is averaged.

    Raises:
      ValueError: there is not at least one.
    """

    slices: int = 1
    slice_law: SliceLaw = rademacher

    def __post_init__(self) -> None:
        if self.slices < 1:
            raise ValueError(f"slices must be at least 1, got {self.slices}")

    def directions(self, key: jax.Array, x: Float[Array, "*D"]) -> Float[Array, "slices *D"]:
        """The directions at x."""
        keys = jax.random.split(key, self.slices)
        return jax.vmap(lambda key: self.slice_law(key, x.shape, x.dtype))(keys)


def score_and_derivatives(
    score_fn: ScoreFn, x: Float[Array, "*D"], t: Float[Array, ""], vs: Float[Array, "slices *D"]
) -> tuple[Float[Array, "*D"], Float[Array, "slices *D"]]:
    """``s(x, t)`` and ``(ds/dx) v`` for each direction, by one forward product each."""

    def along(v):
        return jax.jvp(lambda x: score_fn(x, t), (x,), (v,))

    return jax.vmap(along, out_axes=(None, 0))(vs)


def dot_each(a: Float[Array, "slices *D"], b: Float[Array, "..."]) -> Float[Array, " slices"]:
    """Inner products, one for each of the first axis; the other may have no such axis."""
    return jnp.sum((a * b).reshape(len(a), -1), axis=1)
