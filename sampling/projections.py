"""Parts of an image that may be known: orthogonal projections P, with ``P P = P`` symmetric."""

from dataclasses import dataclass
from typing import Protocol

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


class Projection(Protocol):
    """``P x``: the part of x that is known; what is left, ``x - P x``, is orthogonal to it."""

    def __call__(self, x: Float[Array, "*D"]) -> Float[Array, "*D"]: ...


@dataclass(frozen=True)
class Kept:
    """The entries that a mask keeps; the others are zero."""

    mask: Bool[Array, "*D"]

    def __call__(self, x: Float[Array, "*D"]) -> Float[Array, "*D"]:
        return jnp.where(self.mask, x, 0)


@dataclass(frozen=True)
class Gray:
    """The mean over the channels, in each of them: the direction (1, 1, 1)/sqrt(3) of colors."""

    def __call__(self, x: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
        return jnp.broadcast_to(jnp.mean(x, axis=-1, keepdims=True), x.shape)
