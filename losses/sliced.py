"""Sliced score matching: the trace of the score's Jacobian by random directions."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.losses.noising import noised
from gradlog.losses.slices import Slices, dot_each, score_and_derivatives
from gradlog.models import BoundModel


@dataclass(frozen=True)
class SlicedScoreMatching(Slices):
    """``sigma^2 (v^T grad s v + 1/2 (v^T s)^2)`` at x_t, averaged over directions v.

    SSM (Song et al. 2019, arXiv:1905.07088, eq. 7). It needs no noise kernel: x_t enters only as a
    sample of p_t. Equal in expectation to explicit score matching minus
    ``sigma^2/2 E||grad log p_t||^2``, for every law of v with ``E v v^T = I``.
    """

    def __call__(
        self,
        model: BoundModel,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, ""]:
        noise_key, slice_key = jax.random.split(key)
        x, _ = noised(model.process, x0, t, noise_key)
        vs = self.directions(slice_key, x)
        score, derivatives = score_and_derivatives(model.score, x, t, vs)
        each = dot_each(vs, derivatives) + 0.5 * dot_each(vs, score) ** 2
        return model.process.sigma(t) ** 2 * jnp.mean(each)


@dataclass(frozen=True)
class ReducedVarianceScoreMatching(Slices):
    """``sigma^2 (v^T grad s v + 1/2 ||s||^2)`` at x_t, averaged over directions v.

    SSM-VR (Song et al. 2019, arXiv:1905.07088, eq. 8): as SSM, with the mean of ``(v^T s)^2``
    over v written out.
    """

    def __call__(
        self,
        model: BoundModel,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, ""]:
        noise_key, slice_key = jax.random.split(key)
        x, _ = noised(model.process, x0, t, noise_key)
        vs = self.directions(slice_key, x)
        score, derivatives = score_and_derivatives(model.score, x, t, vs)
        trace = jnp.mean(dot_each(vs, derivatives))
        return model.process.sigma(t) ** 2 * (trace + 0.5 * jnp.sum(score**2))
