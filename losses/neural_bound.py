"""The variational bound of a path that is learned as a whole."""

import math
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.losses.random_keys import ExampleKeys
from gradlog.losses.stored_bound import StoredBound, split_draw, split_terms
from gradlog.models import BoundModel
from gradlog.sde_lib import ConditionalPath, Process

Scalar = Float[Array, ""]


@dataclass(frozen=True)
class NeuralBound(StoredBound):
    """An upper bound on ``-log P`` of a stored datum in nats per dimension, at one draw.

    ``E[-log p(x0 | x_0)] + int_0^1 E ||b(x_t; x0) - b(x_t; x_hat)||^2 / (2 g^2) dt + log q(u) + d
    log(stored units per model unit)``, over d, with the drift b of `ConditionalPath` and the
    model's estimate ``x_hat(x_t, t)`` of the datum (Bartosh et al. 2024, NFDM, arXiv:2404.12940,
    eq. 12). Path, g and x_hat all have gradients. The prior costs nothing: the path ends there.
    The metrics are the terms in nats per dimension.
    """

    accepts: ClassVar[type[Process]] = ConditionalPath

    def terms(
        self, model: BoundModel, x0: Float[Array, "*D"], u: Scalar, keys: ExampleKeys
    ) -> dict[str, Scalar]:
        first, u = split_draw(u)
        t, z = jnp.where(first, 0.0, u), jax.random.normal(keys.integrand, x0.shape)
        x_hat = model.datum(model.process.perturb(x0, t, z), t)
        error = drift_error(model.process, x0, x_hat, t, z)
        drawn = jnp.where(first, reconstruction_cost(model.process, x0, x_hat), error) / x0.size
        diffusion, reconstruction = split_terms(first, drawn)
        return {"diffusion": diffusion, "reconstruction": reconstruction}


def drift_error(
    process: ConditionalPath,
    x0: Float[Array, "*D"],
    x_hat: Float[Array, "*D"],
    t: Scalar,
    z: Float[Array, "*D"],
) -> Scalar:
    """Return ``||b(x_t; x0) - b(x_t; x_hat)||^2 / (2 g^2)`` in nats at the noise z."""
    x = process.perturb(x0, t, z)
    difference = process.backward_drift(x0, t, x) - process.backward_drift(x_hat, t, x)
    return 0.5 * jnp.sum((difference * jnp.exp(-process.log_g(t))) ** 2)


def reconstruction_cost(
    process: ConditionalPath, x0: Float[Array, "*D"], x_hat: Float[Array, "*D"]
) -> Scalar:
    """Return ``-log p(x0 | x_0)`` in nats: a Gaussian around x_hat with the noise of t = 0."""
    _, log_std = process.moments(x0, 0.0)
    square = ((x0 - x_hat) * jnp.exp(-log_std)) ** 2
    return jnp.sum(0.5 * square + log_std) + 0.5 * x0.size * math.log(2 * math.pi)
