"""The exact trace."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.likelihood.divergences.base import Field, Probes


@dataclass(frozen=True)
class Exact:
    """The exact trace, by one product per dimension, ``chunk`` of them at once: no variance."""

    is_random: ClassVar[bool] = False
    chunk: int = 128

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> Probes:
        """Return no probes, since nothing is random."""
        del key, shape
        return ()

    def __call__(self, f: Field, x: Float[Array, "*D"], probes: Probes):
        del probes
        basis = jnp.arange(x.size)

        def entry(i):
            v = jax.nn.one_hot(i, x.size, dtype=x.dtype).reshape(x.shape)
            return jnp.vdot(v, jax.jvp(f, (x,), (v,))[1])

        diagonal = jax.lax.map(entry, basis, batch_size=self.chunk)
        return f(x), jnp.sum(diagonal)[None]

    def products(self, dims: int) -> int:
        return dims

    def variance_of_mean(self, traces: Float[Array, "*batch draws"]) -> Float[Array, "*batch"]:
        return jnp.zeros(traces.shape[:-1])
