"""Gaussians: with a diagonal covariance, and with any covariance."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gradlog.distributions.distribution import Distribution, Estimate, Time
from gradlog.sde_lib.pytree import pytree


def gaussian_entropy(variances: Float[Array, "*D"]) -> Float[Array, ""]:
    """Return ``1/2 sum log(2 pi e variance)`` in nats, over the eigenvalues of a covariance."""
    return 0.5 * jnp.sum(jnp.log(2 * math.pi * math.e * variances))


@pytree
class Gaussian(Distribution):
    """``N(mean, diag(std^2))``; both arrays have the shape of one example."""

    mean: Float[Array, "*D"]
    std: Float[Array, "*D"]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.mean.shape

    def sample(self, key: Array) -> Float[Array, "*D"]:
        return self.mean + self.std * jax.random.normal(key, self.shape)

    def variance(self, alpha: Time = 1.0, sigma: Time = 0.0) -> Float[Array, "*D"]:
        """Return the variance of each coordinate of ``alpha x0 + sigma z``."""
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
        """Return the exact entropy."""
        del key
        return gaussian_entropy(self.variance(alpha, sigma))

    def entropy(
        self, key: Array, alpha: Time = 1.0, sigma: Time = 0.0, *, samples: int = 4096
    ) -> Estimate:
        del samples
        return self.entropy_draw(key, alpha, sigma), jnp.zeros(())


@pytree
class CorrelatedGaussian(Distribution):
    """``N(mean, C)`` with ``C = axes diag(variances) axes^T`` over the flattened example.

    Construct it with ``from_covariance``. A variance may be zero; there is then a density only at
    positive noise.
    """

    mean: Float[Array, "*D"]
    axes: Float[Array, "d d"]
    variances: Float[Array, " d"]

    @classmethod
    def from_covariance(
        cls, mean: Float[np.ndarray, "*D"], covariance: Float[np.ndarray, "d d"]
    ) -> "CorrelatedGaussian":
        """Return the Gaussian with these moments.

        Raises:
          ValueError: the matrix is not symmetric, or has a negative eigenvalue.
        """
        values, axes = np.linalg.eigh(np.asarray(covariance, np.float64))
        if values.min() < -1e-9 * values.max() or not np.allclose(covariance, covariance.T):
            raise ValueError("covariance must be symmetric and have no negative eigenvalue")
        as_array = lambda a: jnp.asarray(a, jnp.float32)  # noqa: E731
        return cls(as_array(mean), as_array(axes), as_array(np.maximum(values, 0.0)))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.mean.shape

    @property
    def covariance(self) -> Float[Array, "d d"]:
        """Covariance of the flattened example."""
        return (self.axes * self.variances) @ self.axes.T

    def condition(
        self, projection: Float[np.ndarray, "d d"], part: Float[np.ndarray, "*D"]
    ) -> "CorrelatedGaussian":
        """Return the conditional distribution under ``P x = part``, for the flattened example x.

        Its mean is ``mean + G (part - P mean)`` and its covariance ``C - G P C``, with
        ``G = C P (P C P)^+``, for an orthogonal projection P.
        """
        P, C = np.asarray(projection, np.float64), np.asarray(self.covariance, np.float64)
        mean = np.asarray(self.mean, np.float64)
        gain = C @ P @ np.linalg.pinv(P @ C @ P, rcond=1e-6)
        center = mean.ravel() + gain @ (np.ravel(part) - P @ mean.ravel())
        left = C - gain @ P @ C
        return self.from_covariance(center.reshape(mean.shape), (left + left.T) / 2)

    def sample(self, key: Array) -> Float[Array, "*D"]:
        along = jnp.sqrt(self.variances) * jax.random.normal(key, self.variances.shape)
        return self.mean + (self.axes @ along).reshape(self.shape)

    def _along(self, x: Float[Array, "*D"], alpha: Time) -> Float[Array, " d"]:
        """Return the coordinates of ``x - alpha mean`` along the axes."""
        return self.axes.T @ (x - alpha * self.mean).ravel()

    def log_density(
        self, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, ""]:
        variance = alpha**2 * self.variances + sigma**2
        square = self._along(x, alpha) ** 2 / variance
        return -0.5 * jnp.sum(square + jnp.log(2 * math.pi * variance))

    def score(
        self, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, "*D"]:
        variance = alpha**2 * self.variances + sigma**2
        return -(self.axes @ (self._along(x, alpha) / variance)).reshape(self.shape)
