"""The variational bound of a path that is learned as a whole."""

import math
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from gradlog.losses.base import Loss
from gradlog.losses.keys import example_keys
from gradlog.models import BoundModel
from gradlog.sde_lib import ConditionalPath, Process

Scalar = Float[Array, ""]


@dataclass(frozen=True)
class NeuralBound:
    """An upper bound on ``-log P`` of a stored datum in nats per dimension, at one draw.

    ``E[-log p(x0 | x_0)] + int_0^1 E ||b(x_t; x0) - b(x_t; x_hat)||^2 / (2 g^2) dt + log q(u) + d
    log(stored units per model unit)``, over d, with the drift b of `ConditionalPath` and the
    model's estimate ``x_hat(x_t, t)`` of the datum (Bartosh et al. 2024, NFDM, arXiv:2404.12940,
    eq. 12). Path, g and x_hat all have gradients. The prior costs nothing: the path ends there.
    The metrics are the terms in nats per dimension.
    """

    accepts: ClassVar[type[Process]] = ConditionalPath

    def __call__(
        self,
        model: BoundModel,
        x: Num[Array, "*D"],
        u: Scalar,
        key: jax.Array,
        condition: Int[Array, ""] | None = None,
    ) -> Loss:
        """Return the bound of the stored example x at the time u."""
        keys, model = example_keys(key), model.conditioned(condition)
        x0, log_q = model.dequantize(keys.dequantization, x)
        z, z_first = (jax.random.normal(k, x0.shape) for k in (keys.integrand, keys.reconstruction))
        terms = {
            "diffusion": drift_error(model, x0, u, z) / x0.size,
            "reconstruction": reconstruction_cost(model, x0, z_first) / x0.size,
        }
        assert model.log_scale is not None  # tokens have no units, and no Gaussian path
        value = sum(terms.values(), start=log_q / x0.size)
        return Loss(value + model.log_scale, terms | model.process.metrics())


def drift_error(
    model: BoundModel, x0: Float[Array, "*D"], t: Scalar, z: Float[Array, "*D"]
) -> Scalar:
    """Return ``||b(x_t; x0) - b(x_t; x_hat)||^2 / (2 g^2)`` in nats at the noise z."""
    process = model.process
    x = process.perturb(x0, t, z)
    difference = process.backward_drift(x0, t, x) - process.backward_drift(model.datum(x, t), t, x)
    return 0.5 * jnp.sum((difference * jnp.exp(-process.log_g(t))) ** 2)


def reconstruction_cost(model: BoundModel, x0: Float[Array, "*D"], z: Float[Array, "*D"]) -> Scalar:
    """Return ``-log p(x0 | x_0)`` in nats: a Gaussian around x_hat with the noise of t = 0."""
    _, log_std = model.process.moments(x0, 0.0)
    x_hat = model.datum(model.process.perturb(x0, 0.0, z), jnp.zeros(()))
    square = ((x0 - x_hat) * jnp.exp(-log_std)) ** 2
    return jnp.sum(0.5 * square + log_std) + 0.5 * x0.size * math.log(2 * math.pi)
