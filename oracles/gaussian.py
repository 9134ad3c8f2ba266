"""A Gaussian with diagonal covariance."""

import math

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from oracles.base import Oracle, ScoreFn, Time
from sde_lib import SDE


@struct.dataclass
class Gaussian(Oracle):
    """``N(mean, diag(std^2))``; both arrays have the shape of one datum."""

    mean: Float[Array, "*D"]
    std: Float[Array, "*D"]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.mean.shape

    def sample(self, key: Array) -> Float[Array, "*D"]:
        return self.mean + self.std * jax.random.normal(key, self.shape)

    def log_density(
        self, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, ""]:
        variance = (alpha * self.std) ** 2 + sigma**2
        square = (x - alpha * self.mean) ** 2 / variance
        return -0.5 * jnp.sum(square + jnp.log(2 * math.pi * variance))

    def score_fn(self, sde: SDE) -> ScoreFn:
        def score(x, t):
            alpha, sigma = sde.alpha(t), sde.sigma(t)
            return (alpha * self.mean - x) / ((alpha * self.std) ** 2 + sigma**2)

        return score
