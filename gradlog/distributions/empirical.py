"""The law of a finite data set: with noise, the density that a network without bias would learn."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from gradlog.distributions.base import Oracle, Time
from gradlog.sde_lib.pytree import pytree

_Value = Callable[[Float[Array, "m *D"]], Float[Array, "m *V"]]


@pytree
class Empirical(Oracle):
    """``1/n sum_i delta(points_i)``; with noise ``1/n sum_i N(alpha points_i, sigma^2 I)``.

    Its denoiser is a softmax-weighted mean of the data (Karras et al. 2022, arXiv:2206.00364,
    eq. 57), here streamed over ``chunk`` points at a time, so that no more than a chunk of
    differences is ever held. Distances are sums of squared differences, exact where it matters:
    at the points near x. There is a density only where sigma is positive.

    Attributes:
      points: the data; every point has the same weight.
      chunk: points at once; no number depends on it but by rounding.
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
        """Log density in nats of ``alpha x0 + sigma z`` at x.

        Raises:
          ValueError: sigma is a number and not positive.
        """
        log_sum, _ = self._softmax_mean(x, alpha, sigma, _nothing)
        log_volume = x.size * (jnp.log(sigma) + 0.5 * math.log(2 * math.pi))
        return log_sum - log_volume - math.log(len(self.points))

    def score(
        self, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, "*D"]:
        """``E[alpha x0 - x | x] / sigma^2``.

        The mean of differences, which are exact near x; the difference of ``alpha E[x0 | x]`` and x
        would have the error of rounding a mean, which does not shrink with sigma.

        Raises:
          ValueError: sigma is a number and not positive.
        """
        differences = lambda points: alpha * points - x  # noqa: E731
        return self._softmax_mean(x, alpha, sigma, differences)[1] / sigma**2

    def posterior_mean(self, x: Float[Array, "*D"], alpha: Time, sigma: Time) -> Float[Array, "*D"]:
        return self._softmax_mean(x, alpha, sigma, lambda points: points)[1]

    def posterior_trace(self, x: Float[Array, "*D"], alpha: Time, sigma: Time) -> Float[Array, ""]:
        mean = self.posterior_mean(x, alpha, sigma)
        return self._softmax_mean(x, alpha, sigma, lambda points: _squares(points - mean))[1]

    def entropy_draw(self, key: Array, alpha: Time = 1.0, sigma: Time = 0.0) -> Float[Array, ""]:
        """``log p(x | x0) / p(x)`` at a draw, plus the kernel's entropy: no more than log n above.

        Raises:
          ValueError: sigma is a number and not positive.
        """
        data_key, noise_key = jax.random.split(key)
        z = jax.random.normal(noise_key, self.shape)
        x = alpha * self.sample(data_key) + sigma * z
        log_sum, _ = self._softmax_mean(x, alpha, sigma, _nothing)
        information = -0.5 * jnp.sum(z**2) - log_sum + math.log(len(self.points))
        return information + z.size * (jnp.log(sigma) + 0.5 * math.log(2 * math.pi * math.e))

    def _softmax_mean(
        self, x: Float[Array, "*D"], alpha: Time, sigma: Time, value: _Value
    ) -> tuple[Float[Array, ""], Float[Array, "*V"]]:
        """``log sum_i e_i`` and ``sum_i e_i value(points_i) / sum_i e_i``, in one pass.

        ``e_i = exp(-||x - alpha points_i||^2 / (2 sigma^2))``, always relative to the largest so
        far. The last chunk overlaps its neighbor, and leaves out what that has counted.
        """
        if isinstance(sigma, int | float) and sigma <= 0:
            raise ValueError(f"sigma = {sigma}: a finite set has a density only with noise")
        count = len(self.points)
        size = min(self.chunk, count)

        def add(carry, first):
            peak, total, weighted = carry
            start = jnp.minimum(first, count - size)
            points = jax.lax.dynamic_slice_in_dim(self.points, start, size)
            logits = -0.5 * _squares((x - alpha * points) / sigma)
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


def _nothing(points: Float[Array, "m *D"]) -> Float[Array, "m 0"]:
    return jnp.zeros((len(points), 0), points.dtype)


def _squares(differences: Float[Array, "m *D"]) -> Float[Array, " m"]:
    return jnp.sum(differences**2, axis=tuple(range(1, differences.ndim)))
