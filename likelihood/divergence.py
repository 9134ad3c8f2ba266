"""Estimators of the trace of a Jacobian, by forward-mode products.

Forward mode, because inside a solver's loop the reverse mode of a convolution is many times slower
on CPU, and because the value comes with it. Every member draws probes once; with the probes fixed
along a path the spread across draws is that of the path integrals.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Field = Callable[[Float[Array, "*D"]], Float[Array, "*D"]]
Probes = Any


class Divergence(Protocol):
    """``draw`` makes the probes of one example; the call gives ``f(x)`` and a trace per draw."""

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> Probes: ...

    def __call__(
        self, f: Field, x: Float[Array, "*D"], probes: Probes
    ) -> tuple[Float[Array, "*D"], Float[Array, " draws"]]: ...

    def products(self, dims: int) -> int:
        """How many Jacobian-vector products one call makes for data of so many dimensions."""
        ...

    def variance_of_mean(self, traces: Float[Array, "*batch draws"]) -> Float[Array, "*batch"]:
        """Of the mean over draws of what is linear in the traces; NaN where it cannot be told."""
        ...


def sample_variance_of_mean(draws: Float[Array, "*batch draws"]) -> Float[Array, "*batch"]:
    """Variance of the mean of independent draws; NaN for a single one."""
    n = draws.shape[-1]
    if n == 1:
        return jnp.full(draws.shape[:-1], jnp.nan)
    return jnp.var(draws, axis=-1, ddof=1) / n


def _value_and_traces(f: Field, x, probes) -> tuple[Float[Array, "*D"], Float[Array, " draws"]]:
    """``f(x)`` and ``v^T (df/dx) v`` for each probe v along the first axis; one value for all."""

    def along(v):
        v = v.astype(x.dtype)
        value, derivative = jax.jvp(f, (x,), (v,))
        return value, jnp.vdot(v, derivative)

    return jax.vmap(along, out_axes=(None, 0))(probes)


@dataclass(frozen=True)
class Rademacher:
    """Hutchinson's estimator with random signs (Hutchinson 1990): the least variance of its kind.

    Its variance is ``2 sum_{i != j} S_ij^2`` with S the symmetric part of the Jacobian.
    """

    probes: int = 1

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> Probes:
        return jax.random.rademacher(key, (self.probes, *shape), jnp.float32)

    def __call__(self, f: Field, x: Float[Array, "*D"], probes: Probes):
        return _value_and_traces(f, x, probes)

    def products(self, dims: int) -> int:
        del dims
        return self.probes

    def variance_of_mean(self, traces: Float[Array, "*batch draws"]) -> Float[Array, "*batch"]:
        return sample_variance_of_mean(traces)


@dataclass(frozen=True)
class Gaussian:
    """Hutchinson's estimator with normal probes, of variance ``2 ||S||_F^2`` (Grathwohl 2019)."""

    probes: int = 1

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> Probes:
        return jax.random.normal(key, (self.probes, *shape))

    def __call__(self, f: Field, x: Float[Array, "*D"], probes: Probes):
        return _value_and_traces(f, x, probes)

    def products(self, dims: int) -> int:
        del dims
        return self.probes

    def variance_of_mean(self, traces: Float[Array, "*batch draws"]) -> Float[Array, "*batch"]:
        return sample_variance_of_mean(traces)


@dataclass(frozen=True)
class Exact:
    """The trace itself, by one product per dimension, ``chunk`` of them at a time."""

    chunk: int = 128

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> Probes:
        """Nothing is random: there are no probes."""
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
