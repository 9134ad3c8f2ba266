"""The distribution of a finite data set, whose noisy score an unlimited network would learn."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from gradlog.distributions.distribution import Distribution, Time
from gradlog.sde_lib.pytree import pytree

_Value = Callable[[Float[Array, "m *D"]], Float[Array, "m *V"]]


@pytree
class Empirical(Distribution):
    """``1/n sum_i delta(points_i)``; with noise ``1/n sum_i N(alpha points_i, sigma^2 I)``.

    Its denoiser is a softmax-weighted mean of the data (Karras et al. 2022, arXiv:2206.00364,
    eq. 57). The mean is computed from ``chunk`` points at a time, so that no more than a chunk of
    differences is in memory. Distances are sums of squared differences, which are exact for the
    points near x. There is a density only if sigma is positive.

    Attributes:
      points: the data; every point has the same weight.
      chunk: points at once; results depend on it only by rounding.
    """

    points: Float[Array, "n *D"]
    chunk: int = struct.field(pytree_node=False, default=1024)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.points.shape[1:]

    def sample(self, key: Array) -> Float[Array, "*D"]:
        return self.points[jax.random.randint(key, (), 0, len(self.points))]

    def log_density(
        self, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, ""]:
        """Return the log density of ``alpha x0 + sigma z`` at x in nats.

        Raises:
          ValueError: sigma is a Python number and not positive.
        """
        log_sum, _ = self._softmax_mean(x, alpha, sigma, _no_value)
        log_volume = x.size * (jnp.log(sigma) + 0.5 * math.log(2 * math.pi))
        return log_sum - log_volume - math.log(len(self.points))

    def score(
        self, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, "*D"]:
        """Return ``E[alpha x0 - x | x] / sigma^2``.

        It is a mean of differences, because they are exact near x. The difference of
        ``alpha E[x0 | x]`` and x would have the rounding error of a mean, which does not shrink
        with sigma.

        Raises:
          ValueError: sigma is a Python number and not positive.
        """
        differences = lambda points: alpha * points - x  # noqa: E731
        return self._softmax_mean(x, alpha, sigma, differences)[1] / sigma**2

    def posterior_mean(self, x: Float[Array, "*D"], alpha: Time, sigma: Time) -> Float[Array, "*D"]:
        return self._softmax_mean(x, alpha, sigma, lambda points: points)[1]

    def posterior_trace(self, x: Float[Array, "*D"], alpha: Time, sigma: Time) -> Float[Array, ""]:
        mean = self.posterior_mean(x, alpha, sigma)
        return self._softmax_mean(x, alpha, sigma, lambda points: _square_norms(points - mean))[1]

    def entropy_draw(self, key: Array, alpha: Time = 1.0, sigma: Time = 0.0) -> Float[Array, ""]:
        """Return ``log p(x | x0) / p(x)`` at a draw, plus the entropy of the kernel.

        The first term is at most log n.

        Raises:
          ValueError: sigma is a Python number and not positive.
        """
        data_key, noise_key = jax.random.split(key)
        z = jax.random.normal(noise_key, self.shape)
        x = alpha * self.sample(data_key) + sigma * z
        log_sum, _ = self._softmax_mean(x, alpha, sigma, _no_value)
        information = -0.5 * jnp.sum(z**2) - log_sum + math.log(len(self.points))
        return information + z.size * (jnp.log(sigma) + 0.5 * math.log(2 * math.pi * math.e))

    def _softmax_mean(
        self, x: Float[Array, "*D"], alpha: Time, sigma: Time, value: _Value
    ) -> tuple[Float[Array, ""], Float[Array, "*V"]]:
        """Return ``log sum_i e_i`` and ``sum_i e_i value(points_i) / sum_i e_i``, in one pass.

        ``e_i = exp(-||x - alpha points_i||^2 / (2 sigma^2))``, computed relative to the largest so
        far. The last chunk overlaps the one before, and skips the points already counted.
        """
        if isinstance(sigma, int | float) and sigma <= 0:
            raise ValueError(
                f"sigma = {sigma}: a finite data set has a density only with noise, sigma > 0"
            )
        count = len(self.points)
        size = min(self.chunk, count)

        def add(carry, first):
            peak, total, weighted = carry
            start = jnp.minimum(first, count - size)
            points = jax.lax.dynamic_slice_in_dim(self.points, start, size)
            logits = -0.5 * _square_norms((x - alpha * points) / sigma)
            logits = jnp.where(start + jnp.arange(size) >= first, logits, -jnp.inf)
            higher = jax.lax.stop_gradient(jnp.maximum(peak, jnp.max(logits)))
            weights, decay = jnp.exp(logits - higher), jnp.exp(peak - higher)
            sums = jnp.tensordot(weights, value(points), axes=1, precision="highest")
            return (higher, decay * total + jnp.sum(weights), decay * weighted + sums), None

        like = jax.eval_shape(lambda: value(self.points[:1])[0])
        dtype = jnp.result_type(x, self.points, alpha, sigma)
        start = (jnp.full((), -jnp.inf, dtype), jnp.zeros((), dtype), jnp.zeros(like.shape, dtype))
        (peak, total, weighted), _ = jax.lax.scan(add, start, jnp.arange(0, count, size))
        return peak + jnp.log(total), weighted / total


def _no_value(points: Float[Array, "m *D"]) -> Float[Array, "m 0"]:
    return jnp.zeros((len(points), 0), points.dtype)


def _square_norms(differences: Float[Array, "m *D"]) -> Float[Array, " m"]:
    return jnp.sum(differences**2, axis=tuple(range(1, differences.ndim)))
