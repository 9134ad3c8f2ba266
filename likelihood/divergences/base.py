"""The contract of an estimator of the trace of a Jacobian, and what its members share.

Forward mode, because inside a solver's loop the reverse mode of a convolution is many times slower
on CPU, and because the value comes with it. Every member draws its probes once; with the probes
fixed along a path the spread across draws is that of the path integrals.

Variances are those of one draw, with ``S = (J + J^T)/2`` the symmetric part of the Jacobian.
"""

from collections.abc import Callable
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


class IndependentDraws:
    """For members whose draws are independent, at least given what they share."""

    def variance_of_mean(self, traces: Float[Array, "*batch draws"]) -> Float[Array, "*batch"]:
        return sample_variance_of_mean(traces)


def sample_variance_of_mean(draws: Float[Array, "*batch draws"]) -> Float[Array, "*batch"]:
    """Variance of the mean of independent draws; NaN for a single one."""
    n = draws.shape[-1]
    if n == 1:
        return jnp.full(draws.shape[:-1], jnp.nan)
    return jnp.var(draws, axis=-1, ddof=1) / n


def value_and_forms(
    f: Field, x: Float[Array, "*D"], probes: Float[Array, "probes *D"]
) -> tuple[Float[Array, "*D"], Float[Array, " probes"]]:
    """``f(x)`` and ``v^T (df/dx) v`` for each probe v along the first axis; one value for all."""

    def along(v):
        v = v.astype(x.dtype)
        value, derivative = jax.jvp(f, (x,), (v,))
        return value, jnp.vdot(v, derivative)

    return jax.vmap(along, out_axes=(None, 0))(probes)


def random_signs(key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
    """Independent signs, each way with probability one half."""
    return jax.random.rademacher(key, shape, jnp.float32)
