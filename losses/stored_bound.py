"""The common head of all bounds on ``-log P`` of a stored datum."""

from abc import abstractmethod

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num

from gradlog.losses.base import Loss
from gradlog.losses.random_keys import ExampleKeys, example_keys
from gradlog.models import BoundModel

Scalar = Float[Array, ""]

RECONSTRUCTIONS = 1 / 8  # share of the draws that are spent on the reconstruction


class StoredBound:
    """An upper bound on ``-log P`` of a stored datum in nats per dimension, at one draw."""

    @abstractmethod
    def terms(
        self, model: BoundModel, x0: Float[Array, "*D"], u: Scalar, keys: ExampleKeys
    ) -> dict[str, Scalar]:
        """Return the terms of the bound on ``-log p(x0)`` in nats per dimension, by name."""

    def __call__(
        self,
        model: BoundModel,
        x: Num[Array, "*D"],
        u: Scalar,
        key: jax.Array,
        condition: Int[Array, ""] | None = None,
    ) -> Loss:
        """Return the bound of the stored example x, with a noise level that u selects."""
        keys, model = example_keys(key), model.conditioned(condition)
        x0, log_q = model.dequantize(keys.dequantization, x)
        model, latent = model.encode_latent(x0, keys.latent)
        terms = self.terms(model, x0, u, keys)
        if latent is not None:
            terms["latent"] = latent / x0.size
        value = sum(terms.values(), start=log_q / x0.size)
        units = model.log_scale or 0.0  # a decoder gives a probability, which has no unit
        return Loss(value + units, terms | model.process.metrics())


def split_draw(u: Scalar) -> tuple[Bool[Array, ""], Scalar]:
    """Return whether a draw is for the reconstruction, and else u for the rest, in [0, 1).

    Both need the network, at another noise level each. A draw evaluates one of them, with the
    factor one over its share, so a step costs one evaluation. As u is stratified over a batch, the
    batch has the same number of each.
    """
    return u < RECONSTRUCTIONS, jnp.maximum(u - RECONSTRUCTIONS, 0) / (1 - RECONSTRUCTIONS)


def split_terms(first: Bool[Array, ""], drawn: Scalar) -> tuple[Scalar, Scalar]:
    """Return the diffusion and the reconstruction by this draw: one of them is zero."""
    diffusion = jnp.where(first, 0.0, drawn) / (1 - RECONSTRUCTIONS)
    return diffusion, jnp.where(first, drawn, 0.0) / RECONSTRUCTIONS
