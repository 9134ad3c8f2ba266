"""Between the data as stored and the model's continuous space, with the price in nats.

A density gives integers a probability: ``log P(k) >= E_q[log p(k + u) - log q(u)]``, u in [0, 1)^d
(Theis et al. 2016, arXiv:1511.01844; Ho et al. 2019, arXiv:1902.00275).
"""

import math
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num


class Dequantisation(Protocol):
    """Maps stored data into the model's space and back."""

    @property
    def log_scale(self) -> float:
        """Nats per dimension: log of stored units (levels) per unit of the model's space."""
        ...

    def __call__(
        self, key: jax.Array, x: Num[Array, "*D"]
    ) -> tuple[Float[Array, "*D"], Float[Array, ""]]:
        """A point of the model's space for the datum x, and ``log q(u)`` in nats."""
        ...

    def stored(self, x: Float[Array, "*D"]) -> Num[Array, "*D"]:
        """What a point of the model's space stands for, in the data's own units."""
        ...


@dataclass(frozen=True)
class Continuous:
    """Data that is continuous already: the model's space is the data's."""

    @property
    def log_scale(self) -> float:
        return 0.0

    def __call__(self, key: jax.Array, x: Num[Array, "*D"]):
        del key
        return jnp.asarray(x, jnp.float32), jnp.zeros(())

    def stored(self, x: Float[Array, "*D"]) -> Num[Array, "*D"]:
        return x


@dataclass(frozen=True)
class Uniform:
    """``(k + u) / levels`` with u uniform in [0, 1), spread over [-1, 1] or [0, 1]: ``log q = 0``.

    For 256 levels it is score_flow's ``(u + 255 x)/256``, then ``2x - 1`` where the space is
    centred. One unit of that space is ``levels / 2`` stored units (``levels`` if not centred): for
    256 levels 7 bits (8), the "+ 7" of the published codes. Float32 resolves u to about
    ``levels * 2^-23``, and u keeps that far from the edges of its level.
    """

    levels: int
    centered: bool = True

    @property
    def log_scale(self) -> float:
        return math.log(self.levels / self._width)

    @property
    def _width(self) -> int:
        return 2 if self.centered else 1

    @property
    def _low(self) -> int:
        return -1 if self.centered else 0

    def __call__(self, key: jax.Array, x: Num[Array, "*D"]):
        # Off the bins' edges by what float32 resolves there, so that `stored` gives x back.
        edge = self.levels * 2.0**-22
        u = jnp.clip(jax.random.uniform(key, x.shape), edge, 1 - edge)
        return self._low + self._width * (x + u) / self.levels, jnp.zeros(())

    def stored(self, x: Float[Array, "*D"]) -> Num[Array, "*D"]:
        k = jnp.floor((x - self._low) / self._width * self.levels)
        dtype = jnp.uint8 if self.levels <= 256 else jnp.uint16
        return jnp.clip(k, 0, self.levels - 1).astype(dtype)
