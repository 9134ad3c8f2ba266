"""Denoising score matching."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.losses.base import add_noise
from gradlog.models import BoundModel


def denoising_integrand(
    model: BoundModel,
    x0: Float[Array, "*D"],
    t: Float[Array, ""],
    z: Float[Array, "*D"],
) -> Float[Array, ""]:
    """Return ``1/2 ||sigma s(alpha x0 + sigma z) + z||^2`` in nats."""
    return 0.5 * jnp.sum(denoising_residual(model, x0, t, z) ** 2)


def denoising_residual(
    model: BoundModel,
    x0: Float[Array, "*D"],
    t: Float[Array, ""],
    z: Float[Array, "*D"],
) -> Float[Array, "*D"]:
    """Return ``sigma s(alpha x0 + sigma z) + z``."""
    return model.process.sigma(t) * model.score(model.process.perturb(x0, t, z), t) + z


@dataclass(frozen=True)
class DenoisingScoreMatching:
    """``sigma^2/2 ||s(x_t) - grad log p(x_t|x0)||^2 = 1/2 ||sigma s(x_t) + z||^2`` (Vincent 2011).

    With the weighting ``sigma^2`` and a network that predicts z, this is DDPM's simple loss. Its
    expectation is that of explicit score matching plus half the mean posterior variance of the
    conditional score, ``1/2 (d - sigma^2 E||grad log p_t||^2)``.
    """

    def __call__(
        self,
        model: BoundModel,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, ""]:
        return jnp.sum(self.per_dimension(model, x0, t, key))

    def per_dimension(
        self,
        model: BoundModel,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, "*D"]:
        """Return the terms of the sum over dimensions."""
        _, z = add_noise(model.process, x0, t, key)
        return 0.5 * denoising_residual(model, x0, t, z) ** 2
