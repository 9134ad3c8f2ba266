"""A mixture of isotropic Gaussians."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.distributions.distribution import Distribution, Time
from gradlog.sde_lib.pytree import pytree


@pytree
class GaussianMixture(Distribution):
    """``sum_k weights_k N(means_k, stds_k^2 I)``; the weights are positive and sum to one."""

    weights: Float[Array, " k"]
    means: Float[Array, "k *D"]
    stds: Float[Array, " k"]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.means.shape[1:]

    def sample(self, key: Array) -> Float[Array, "*D"]:
        return self._component_and_sample(key)[1]

    def _component_and_sample(self, key: Array):
        which, noise = jax.random.split(key)
        k = jax.random.choice(which, len(self.weights), p=self.weights)
        return k, self.means[k] + self.stds[k] * jax.random.normal(noise, self.shape)

    def variances(self, alpha: Time = 1.0, sigma: Time = 0.0) -> Float[Array, " k"]:
        """Return the variance of each coordinate of ``alpha x0 + sigma z`` for each component."""
        return (alpha * self.stds) ** 2 + sigma**2

    def _log_joint(self, x, alpha: Time, sigma: Time) -> Float[Array, " k"]:
        """Return ``log weights_k + log N(x; alpha means_k, (alpha^2 stds_k^2 + sigma^2) I)``."""
        variance = self.variances(alpha, sigma)
        axes = tuple(range(1, self.means.ndim))
        square = jnp.sum((x - alpha * self.means) ** 2, axis=axes) / variance
        return jnp.log(self.weights) - 0.5 * (square + x.size * jnp.log(2 * math.pi * variance))

    def log_density(
        self, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, ""]:
        return jax.nn.logsumexp(self._log_joint(x, alpha, sigma))

    def responsibilities(
        self, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, " k"]:
        """Return the probability of each component under ``x = alpha x0 + sigma z``."""
        return jax.nn.softmax(self._log_joint(x, alpha, sigma))

    def score(
        self, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, "*D"]:
        pull = self.responsibilities(x, alpha, sigma) / self.variances(alpha, sigma)
        return jnp.tensordot(pull, alpha * self.means - x, axes=1)

    def _component_means(self, x, alpha: Time, sigma: Time) -> Float[Array, "k *D"]:
        """Return ``E[x0 | x, k]`` for each component k."""
        gains = alpha * self.stds**2 / self.variances(alpha, sigma)
        return self.means + gains.reshape(-1, *[1] * x.ndim) * (x - alpha * self.means)

    def posterior_mean(self, x: Float[Array, "*D"], alpha: Time, sigma: Time) -> Float[Array, "*D"]:
        means = self._component_means(x, alpha, sigma)
        return jnp.tensordot(self.responsibilities(x, alpha, sigma), means, axes=1)

    def posterior_trace(self, x: Float[Array, "*D"], alpha: Time, sigma: Time) -> Float[Array, ""]:
        """Return ``tr Cov[x0 | x]``: the variance within components plus that of their means."""
        within = x.size * (self.stds * sigma) ** 2 / self.variances(alpha, sigma)
        means = self._component_means(x, alpha, sigma)
        off = means - self.posterior_mean(x, alpha, sigma)
        between = jnp.sum(off**2, axis=tuple(range(1, off.ndim)))
        return self.responsibilities(x, alpha, sigma) @ (within + between)

    def entropy_draw(self, key: Array, alpha: Time = 1.0, sigma: Time = 0.0) -> Float[Array, ""]:
        """Return ``-log p(x) + log p(x | k) + sum_k weights_k H_k`` for a draw of (k, x).

        The control variate is the component's own log density, whose mean is known. The random
        part that remains is ``log p(x | k) / p(x)``. It is below ``-log weights_k``, and hardly
        varies if the components are far apart.
        """
        data_key, noise_key = jax.random.split(key)
        k, x0 = self._component_and_sample(data_key)
        x = alpha * x0 + sigma * jax.random.normal(noise_key, self.shape)
        log_joint = self._log_joint(x, alpha, sigma)
        information = log_joint[k] - jnp.log(self.weights[k]) - jax.nn.logsumexp(log_joint)
        entropies = 0.5 * x.size * jnp.log(2 * math.pi * math.e * self.variances(alpha, sigma))
        return information + self.weights @ entropies
