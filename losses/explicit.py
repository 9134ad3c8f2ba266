"""Explicit score matching: the distance itself, where the truth is known."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.distributions import Distribution
from gradlog.losses.noising import noised
from gradlog.models import BoundModel


@dataclass(frozen=True, eq=False)
class ExplicitScoreMatching:
    """``sigma^2/2 ||s(x_t) - grad log p_t(x_t)||^2`` (Hyvarinen 2005, eq. 2), its constant zero.

    The oracle must be the law that x0 is drawn from.
    """

    oracle: Distribution

    def __call__(
        self,
        model: BoundModel,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, ""]:
        process = model.process
        x, _ = noised(process, x0, t, key)
        error = model.score(x, t) - self.oracle.score_fn(process)(x, t)
        return 0.5 * process.sigma(t) ** 2 * jnp.sum(error**2)
