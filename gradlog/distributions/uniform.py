"""The uniform distribution on an interval: a law with edges, whose score has no density there."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.distributions.distribution import Distribution, Time
from gradlog.sde_lib.pytree import pytree


@pytree
class UniformInterval(Distribution):
    """``U[low, high]`` in one dimension; with noise ``[Phi((x - a)/s) - Phi((x - b)/s)]/(b - a)``.

    Here ``a = alpha low``, ``b = alpha high`` and ``s = sigma``. Without noise the density is
    constant inside, its score is zero there, and the edges are in neither.
    """

    low: Float[Array, ""]
    high: Float[Array, ""]

    @property
    def shape(self) -> tuple[int, ...]:
        return (1,)

    def sample(self, key: Array) -> Float[Array, " 1"]:
        return jax.random.uniform(key, (1,), minval=self.low, maxval=self.high)

    def log_density(
        self, x: Float[Array, " 1"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, ""]:
        """Return the log density in nats. Without noise only points inside have one."""
        low, high = (alpha * end - x[0] for end in (self.low, self.high))
        safe = jnp.where(jnp.asarray(sigma) > 0, sigma, 1.0)
        # Of the two tails the smaller: the difference of the normal distributions is exact there.
        flip = low + high > 0
        near, far = jnp.where(flip, -high, low) / safe, jnp.where(flip, -low, high) / safe
        log_far, log_near = (jax.scipy.stats.norm.logcdf(end) for end in (far, near))
        noisy = log_far + jnp.log(-jnp.expm1(jnp.minimum(log_near - log_far, -1e-30)))
        inside = jnp.where((low <= 0) & (high >= 0), 0.0, -jnp.inf)
        return jnp.where(jnp.asarray(sigma) > 0, noisy, inside) - jnp.log(
            alpha * (self.high - self.low)
        )
