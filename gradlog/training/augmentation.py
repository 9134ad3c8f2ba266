"""What is done to an example at random before it is trained on."""

from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Num


class Augmentation(Protocol):
    """Makes another datum of a datum as stored."""

    def __call__(self, key: jax.Array, x: Num[Array, "*D"]) -> Num[Array, "*D"]: ...


@dataclass(frozen=True)
class Unchanged:
    """The data as they are."""

    def __call__(self, key: jax.Array, x: Num[Array, "*D"]) -> Num[Array, "*D"]:
        del key
        return x


@dataclass(frozen=True)
class RandomFlip:
    """An image, mirrored left to right with probability one half."""

    def __call__(self, key: jax.Array, x: Num[Array, "h w c"]) -> Num[Array, "h w c"]:
        return jnp.where(jax.random.bernoulli(key), x[:, ::-1], x)
