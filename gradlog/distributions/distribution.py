"""The contract of a distribution whose score is known at every noise level."""

from abc import abstractmethod
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.sde_lib import SDE
from gradlog.sde_lib.pytree import pytree

Time = Float[Array, ""] | float
ScoreFn = Callable[[Float[Array, "*D"], Time], Float[Array, "*D"]]
LogDensityFn = Callable[[Float[Array, "*D"], Time], Float[Array, ""]]
Estimate = tuple[Float[Array, "*n"], Float[Array, "*n"]]  # a mean and its standard error

_CHUNK = 256  # draws at once; it bounds the memory that a distribution of many points takes


def monte_carlo(draw: Callable[[Array], Float[Array, "*n"]], key: Array, samples: int) -> Estimate:
    """Return the mean of ``draw(key)`` over independent keys, and its standard error.

    Args:
      draw: returns one unbiased value, or an array of them, each with its own mean.
      key: the same key gives the same draws. The difference of two calls with one key is therefore
        more precise than either (common random numbers).
      samples: number of draws.

    Raises:
      ValueError: fewer than two samples, which have no standard error.
    """
    if samples < 2:
        raise ValueError(f"samples = {samples}: a standard error needs two or more")
    values = jax.lax.map(draw, jax.random.split(key, samples), batch_size=min(_CHUNK, samples))
    return jnp.mean(values, axis=0), jnp.std(values, axis=0, ddof=1) / jnp.sqrt(samples)


@pytree
class Distribution:
    """A distribution of the data that stays in closed form when an SDE adds noise.

    A noise level is a pair (alpha, sigma): the distribution of ``x = alpha x0 + sigma z`` with x0
    from the data and ``z ~ N(0, I)``. The default, (1, 0), is the distribution of the data itself.
    A subclass defines ``shape``, ``sample`` and ``log_density``. The rest is derived, and a
    subclass overrides what it has in closed form.
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one example."""

    @abstractmethod
    def sample(self, key: Array) -> Float[Array, "*D"]:
        """Draw one x0."""

    @abstractmethod
    def log_density(
        self, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, ""]:
        """Return the log density of ``alpha x0 + sigma z`` at x in nats; by default that of x0."""

    def sample_at(self, key: Array, alpha: Time = 1.0, sigma: Time = 0.0) -> Float[Array, "*D"]:
        """Draw one ``alpha x0 + sigma z``, with the same x0 and z at every noise level."""
        data_key, noise_key = jax.random.split(key)
        return alpha * self.sample(data_key) + sigma * jax.random.normal(noise_key, self.shape)

    def score(
        self, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, "*D"]:
        """Return the gradient of ``log_density`` in x."""
        return jax.grad(self.log_density)(x, alpha, sigma)

    def posterior_mean(self, x: Float[Array, "*D"], alpha: Time, sigma: Time) -> Float[Array, "*D"]:
        """Return ``E[x0 | x] = (x + sigma^2 score) / alpha`` (Tweedie; Efron 2011, eq. 1.4)."""
        return (x + sigma**2 * self.score(x, alpha, sigma)) / alpha

    def posterior_trace(self, x: Float[Array, "*D"], alpha: Time, sigma: Time) -> Float[Array, ""]:
        """Return ``tr Cov[x0 | x] = (sigma/alpha)^2 (d + sigma^2 tr grad score)``.

        This is the second order of Tweedie's formula. The trace is exact, by d Jacobian-vector
        products of the score.
        """
        flat_score = lambda y: self.score(y.reshape(x.shape), alpha, sigma).ravel()  # noqa: E731
        divergence = jnp.trace(jax.jacfwd(flat_score)(x.ravel()))
        return (sigma / alpha) ** 2 * (x.size + sigma**2 * divergence)

    def entropy_draw(self, key: Array, alpha: Time = 1.0, sigma: Time = 0.0) -> Float[Array, ""]:
        """Draw one unbiased estimate of the entropy in nats, differentiable in alpha and sigma."""
        return -self.log_density(self.sample_at(key, alpha, sigma), alpha, sigma)

    def entropy(
        self, key: Array, alpha: Time = 1.0, sigma: Time = 0.0, *, samples: int = 4096
    ) -> Estimate:
        """Return ``-E log p(x)`` in nats and its standard error, which is 0 for a closed form.

        Raises:
          ValueError: fewer than two samples.
        """
        return monte_carlo(lambda one: self.entropy_draw(one, alpha, sigma), key, samples)

    def log_density_fn(self, sde: SDE) -> LogDensityFn:
        """Return the function ``log p_t(x)`` of (x, t) in nats along the SDE."""
        return lambda x, t: self.log_density(x, sde.alpha(t), sde.sigma(t))

    def score_fn(self, sde: SDE) -> ScoreFn:
        """Return the function ``grad_x log p_t(x)`` of (x, t) along the SDE."""
        return lambda x, t: self.score(x, sde.alpha(t), sde.sigma(t))
