"""A mixture of isotropic Gaussians."""

import math

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from oracles.base import Oracle, ScoreFn, Time
from sde_lib import SDE


@struct.dataclass
class GaussianMixture(Oracle):
    """``sum_k weights_k N(means_k, stds_k^2 I)``; the weights are positive and sum to one."""

    weights: Float[Array, " k"]
    means: Float[Array, "k *D"]
    stds: Float[Array, " k"]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.means.shape[1:]

    def sample(self, key: Array) -> Float[Array, "*D"]:
        which, noise = jax.random.split(key)
        k = jax.random.choice(which, len(self.weights), p=self.weights)
        return self.means[k] + self.stds[k] * jax.random.normal(noise, self.shape)

    def _log_joint(self, x, alpha: Time, sigma: Time) -> Float[Array, " k"]:
        """``log weights_k + log N(x; alpha means_k, (alpha^2 stds_k^2 + sigma^2) I)``."""
        variance = (alpha * self.stds) ** 2 + sigma**2
        axes = tuple(range(1, self.means.ndim))
        square = jnp.sum((x - alpha * self.means) ** 2, axis=axes) / variance
        return jnp.log(self.weights) - 0.5 * (square + x.size * jnp.log(2 * math.pi * variance))

    def log_density(
        self, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, ""]:
        return jax.nn.logsumexp(self._log_joint(x, alpha, sigma))

    def score_fn(self, sde: SDE) -> ScoreFn:
        def score(x, t):
            alpha, sigma = sde.alpha(t), sde.sigma(t)
            posterior = jax.nn.softmax(self._log_joint(x, alpha, sigma))
            pull = posterior / ((alpha * self.stds) ** 2 + sigma**2)
            return jnp.tensordot(pull, alpha * self.means - x, axes=1)

        return score
