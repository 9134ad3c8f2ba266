"""The contract of an oracle: a density whose score is known at every noise level."""

from abc import abstractmethod
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.distributions.monte_carlo import Estimate, monte_carlo
from gradlog.sde_lib import SDE
from gradlog.sde_lib.pytree import pytree

Time = Float[Array, ""] | float
ScoreFn = Callable[[Float[Array, "*D"], Time], Float[Array, "*D"]]
LogDensityFn = Callable[[Float[Array, "*D"], Time], Float[Array, ""]]


@pytree
class Oracle:
    """A law of the data that stays in closed form when an SDE carries it forward.

    A noise level is a pair (alpha, sigma): the law of ``x = alpha x0 + sigma z`` with x0 from the
    data's law and ``z ~ N(0, I)``; the default, (1, 0), is the data's law itself. A member gives
    ``shape``, ``sample`` and ``log_density``; the rest is derived, and a member replaces what it
    knows in closed form.
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one datum."""

    @abstractmethod
    def sample(self, key: Array) -> Float[Array, "*D"]:
        """One draw of x0."""

    @abstractmethod
    def log_density(
        self, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, ""]:
        """Log density in nats of ``alpha x0 + sigma z`` at x; by default of x0 itself."""

    def sample_at(self, key: Array, alpha: Time = 1.0, sigma: Time = 0.0) -> Float[Array, "*D"]:
        """One draw of ``alpha x0 + sigma z``, from the same x0 and z at every noise level."""
        data_key, noise_key = jax.random.split(key)
        return alpha * self.sample(data_key) + sigma * jax.random.normal(noise_key, self.shape)

    def score(
        self, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, "*D"]:
        """Gradient in x of ``log_density``."""
        return jax.grad(self.log_density)(x, alpha, sigma)

    def posterior_mean(self, x: Float[Array, "*D"], alpha: Time, sigma: Time) -> Float[Array, "*D"]:
        """``E[x0 | x] = (x + sigma^2 score) / alpha`` (Tweedie; Efron 2011, eq. 1.4)."""
        return (x + sigma**2 * self.score(x, alpha, sigma)) / alpha

    def posterior_trace(self, x: Float[Array, "*D"], alpha: Time, sigma: Time) -> Float[Array, ""]:
        """``tr Cov[x0 | x] = (sigma/alpha)^2 (d + sigma^2 tr grad score)``: Tweedie's second order.

        By the exact trace: d products with the Jacobian of the score.
        """
        flat_score = lambda y: self.score(y.reshape(x.shape), alpha, sigma).ravel()  # noqa: E731
        divergence = jnp.trace(jax.jacfwd(flat_score)(x.ravel()))
        return (sigma / alpha) ** 2 * (x.size + sigma**2 * divergence)

    def entropy_draw(self, key: Array, alpha: Time = 1.0, sigma: Time = 0.0) -> Float[Array, ""]:
        """One unbiased estimate of the entropy, in nats; differentiable in alpha and sigma."""
        return -self.log_density(self.sample_at(key, alpha, sigma), alpha, sigma)

    def entropy(
        self, key: Array, alpha: Time = 1.0, sigma: Time = 0.0, *, samples: int = 4096
    ) -> Estimate:
        """``-E log p(x)`` in nats and its standard error, which is 0 for a closed form.

        Raises:
          ValueError: there are fewer than two samples.
        """
        return monte_carlo(lambda one: self.entropy_draw(one, alpha, sigma), key, samples)

    def log_density_fn(self, sde: SDE) -> LogDensityFn:
        """``log p_t(x)`` in nats along the SDE."""
        return lambda x, t: self.log_density(x, sde.alpha(t), sde.sigma(t))

    def score_fn(self, sde: SDE) -> ScoreFn:
        """``grad_x log p_t(x)`` along the SDE."""
        return lambda x, t: self.score(x, sde.alpha(t), sde.sigma(t))
