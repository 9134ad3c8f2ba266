"""A Gaussian with diagonal covariance."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.distributions.base import Oracle, Time
from gradlog.distributions.monte_carlo import Estimate
from gradlog.sde_lib.pytree import pytree


def gaussian_entropy(variances: Float[Array, "*D"]) -> Float[Array, ""]:
    """``1/2 sum log(2 pi e variance)`` in nats, over the eigenvalues of a covariance."""
    return 0.5 * jnp.sum(jnp.log(2 * math.pi * math.e * variances))


@pytree
class Gaussian(Oracle):
    """``N(mean, diag(std^2))``; both arrays have the shape of one datum."""

    mean: Float[Array, "*D"]
    std: Float[Array, "*D"]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.mean.shape

    def sample(self, key: Array) -> Float[Array, "*D"]:
        return self.mean + self.std * jax.random.normal(key, self.shape)

    def variance(self, alpha: Time = 1.0, sigma: Time = 0.0) -> Float[Array, "*D"]:
        """Variance of each coordinate of ``alpha x0 + sigma z``."""
        return (alpha * self.std) ** 2 + sigma**2

    def log_density(
        self, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, ""]:
        variance = self.variance(alpha, sigma)
        square = (x - alpha * self.mean) ** 2 / variance
        return -0.5 * jnp.sum(square + jnp.log(2 * math.pi * variance))

    def score(
        self, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, "*D"]:
        return (alpha * self.mean - x) / self.variance(alpha, sigma)

    def posterior_mean(self, x: Float[Array, "*D"], alpha: Time, sigma: Time) -> Float[Array, "*D"]:
        gain = alpha * self.std**2 / self.variance(alpha, sigma)
        return self.mean + gain * (x - alpha * self.mean)

    def posterior_trace(self, x: Float[Array, "*D"], alpha: Time, sigma: Time) -> Float[Array, ""]:
        return jnp.sum((self.std * sigma) ** 2 / self.variance(alpha, sigma))

    def entropy_draw(self, key: Array, alpha: Time = 1.0, sigma: Time = 0.0) -> Float[Array, ""]:
        """The entropy itself."""
        del key
        return gaussian_entropy(self.variance(alpha, sigma))

    def entropy(
        self, key: Array, alpha: Time = 1.0, sigma: Time = 0.0, *, samples: int = 4096
    ) -> Estimate:
        del samples
        return self.entropy_draw(key, alpha, sigma), jnp.zeros(())
