"""Sliced score matching with variance reduction."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from losses.base import ScoreFn
from sde_lib import SDE


@dataclass(frozen=True)
class SlicedScoreMatching:
    """``sigma^2 (v^T grad s v + 1/2 ||s||^2)`` at x_t, v Rademacher (Song et al. 2019, SSM-VR).

    arXiv:1905.07088, eq. 8. It needs no noise kernel: x_t enters only as a sample of p_t. Equal in
    expectation to explicit score matching minus ``sigma^2/2 E||grad log p_t||^2``.
    """

    def __call__(
        self,
        sde: SDE,
        score_fn: ScoreFn,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, ""]:
        noise_key, slice_key = jax.random.split(key)
        x = sde.perturb(x0, t, jax.random.normal(noise_key, x0.shape))
        v = jax.random.rademacher(slice_key, x0.shape, x0.dtype)
        score, score_along_v = jax.jvp(lambda x: score_fn(x, t), (x,), (v,))
        return sde.sigma(t) ** 2 * (jnp.vdot(v, score_along_v) + 0.5 * jnp.sum(score**2))
