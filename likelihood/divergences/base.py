"""The contract of an estimator of the trace of a Jacobian, and functions that estimators share.

Estimators use forward mode. Inside a solver's loop on CPU the reverse mode of a convolution is many
times slower, and forward mode gives the value as well. An estimator draws its probes once. With
fixed probes along a path, the spread across draws is that of the path integrals.

Variances are those of one draw, with ``S = (J + J^T)/2`` the symmetric part of the Jacobian.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Field = Callable[[Float[Array, "*D"]], Float[Array, "*D"]]
Probes = Any


class Divergence(Protocol):
    """``draw`` returns the probes of one example; a call returns ``f(x)`` and a trace per draw."""

    is_random: ClassVar[bool]  # whether two calls with other keys differ

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> Probes: ...

    def __call__(
        self, f: Field, x: Float[Array, "*D"], probes: Probes
    ) -> tuple[Float[Array, "*D"], Float[Array, " draws"]]: ...

    def products(self, dims: int) -> int:
        """Return the number of Jacobian-vector products of a call for data of this dimension."""
        ...

    def variance_of_mean(self, traces: Float[Array, "*batch draws"]) -> Float[Array, "*batch"]:
        """Return the variance of the mean of traces over draws; NaN if it is unknown."""
        ...


class IndependentDraws:
    """Base class of estimators with independent draws, at least conditional on what they share."""

    is_random: ClassVar[bool] = True

    def variance_of_mean(self, traces: Float[Array, "*batch draws"]) -> Float[Array, "*batch"]:
        return sample_variance_of_mean(traces)


def sample_variance_of_mean(draws: Float[Array, "*batch draws"]) -> Float[Array, "*batch"]:
    """Return the variance of the mean of independent draws; NaN for a single one."""
    n = draws.shape[-1]
    if n == 1:
        return jnp.full(draws.shape[:-1], jnp.nan)
    return jnp.var(draws, axis=-1, ddof=1) / n


def value_and_forms(
    f: Field, x: Float[Array, "*D"], probes: Float[Array, "probes *D"]
) -> tuple[Float[Array, "*D"], Float[Array, " probes"]]:
    """Return ``f(x)``, and ``v^T (df/dx) v`` for each probe v along the first axis."""

    def value_and_form(v):
        v = v.astype(x.dtype)
        value, derivative = jax.jvp(f, (x,), (v,))
        return value, jnp.vdot(v, derivative)

    return jax.vmap(value_and_form, out_axes=(None, 0))(probes)


def random_signs(key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
    """Draw independent signs, each with probability one half."""
    return jax.random.rademacher(key, shape, jnp.float32)
