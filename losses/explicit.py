"""Explicit score matching: the distance to a known score."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.distributions import Distribution
from gradlog.losses.base import add_noise
from gradlog.models import BoundModel


@dataclass(frozen=True, eq=False)
class ExplicitScoreMatching:
    """``sigma^2/2 ||s(x_t) - grad log p_t(x_t)||^2`` (Hyvarinen 2005, eq. 2), its constant zero.

    The data x0 must be samples of ``distribution``.
    """

    distribution: Distribution

    def __call__(
        self,
        model: BoundModel,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, ""]:
        process = model.process
        x, _ = add_noise(process, x0, t, key)
        error = model.score(x, t) - self.distribution.score_fn(process)(x, t)
        return 0.5 * process.sigma(t) ** 2 * jnp.sum(error**2)
