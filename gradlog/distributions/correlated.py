"""A Gaussian with any covariance."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gradlog.distributions.base import Oracle, Time
from gradlog.sde_lib.pytree import pytree


@pytree
class CorrelatedGaussian(Oracle):
    """``N(mean, C)`` with ``C = axes diag(variances) axes^T`` over the flattened datum.

    Made by ``of_covariance``; a variance may be zero, and then there is a density at positive noise
    only.
    """

    mean: Float[Array, "*D"]
    axes: Float[Array, "d d"]
    variances: Float[Array, " d"]

    @classmethod
    def of_covariance(
        cls, mean: Float[np.ndarray, "*D"], covariance: Float[np.ndarray, "d d"]
    ) -> "CorrelatedGaussian":
        """The law with these moments; raises ValueError where no law has the covariance."""
        values, axes = np.linalg.eigh(np.asarray(covariance, np.float64))
        if values.min() < -1e-9 * values.max() or not np.allclose(covariance, covariance.T):
            raise ValueError("a covariance is symmetric and has no negative eigenvalue")
        as_array = lambda a: jnp.asarray(a, jnp.float32)  # noqa: E731
        return cls(as_array(mean), as_array(axes), as_array(np.maximum(values, 0.0)))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.mean.shape

    @property
    def covariance(self) -> Float[Array, "d d"]:
        """Of the flattened datum."""
        return (self.axes * self.variances) @ self.axes.T

    def given(
        self, projection: Float[np.ndarray, "d d"], part: Float[np.ndarray, "*D"]
    ) -> "CorrelatedGaussian":
        """The law given ``projection @ x = part`` of the flattened datum.

        ``mean + G (part - P mean)`` and ``C - G P C`` with ``G = C P (P C P)^+`` for an orthogonal
        projection P.
        """
        P, C = np.asarray(projection, np.float64), np.asarray(self.covariance, np.float64)
        mean = np.asarray(self.mean, np.float64)
        gain = C @ P @ np.linalg.pinv(P @ C @ P, rcond=1e-6)
        center = mean.ravel() + gain @ (np.ravel(part) - P @ mean.ravel())
        left = C - gain @ P @ C
        return self.of_covariance(center.reshape(mean.shape), (left + left.T) / 2)

    def sample(self, key: Array) -> Float[Array, "*D"]:
        along = jnp.sqrt(self.variances) * jax.random.normal(key, self.variances.shape)
        return self.mean + (self.axes @ along).reshape(self.shape)

    def _along(self, x: Float[Array, "*D"], alpha: Time) -> Float[Array, " d"]:
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
