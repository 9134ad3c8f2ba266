"""Explicit score matching: the distance itself, where the truth is known."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.distributions import Oracle
from gradlog.losses.base import ScoreFn
from gradlog.losses.noising import noised
from gradlog.sde_lib import SDE


@dataclass(frozen=True, eq=False)
class ExplicitScoreMatching:
    """``sigma^2/2 ||s(x_t) - grad log p_t(x_t)||^2`` (Hyvarinen 2005, eq. 2), its constant zero.

    The oracle must be the law that x0 is drawn from.
    """

    oracle: Oracle

    def __call__(
        self,
        sde: SDE,
        score_fn: ScoreFn,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, ""]:
        x, _ = noised(sde, x0, t, key)
        error = score_fn(x, t) - self.oracle.score_fn(sde)(x, t)
        return 0.5 * sde.sigma(t) ** 2 * jnp.sum(error**2)
