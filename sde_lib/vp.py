"""The variance preserving SDE, and the linear schedule that it shares with sub-VP."""

import jax
import jax.numpy as jnp

from gradlog.sde_lib.base import SDE, Scalar, Time
from gradlog.sde_lib.pytree import pytree


@pytree
class LinearBetaSDE(SDE):
    """``alpha = exp(-B/2)``, where ``B(t)`` is the integral of a linear beta (Ho et al. 2020).

    The schedule is ``beta(t) = beta_min + t (beta_max - beta_min)``.
    """

    beta_min: float = 0.1
    beta_max: float = 20.0

    def beta(self, t: Time) -> Scalar:
        """Return the rate at time t, in 1 / time."""
        return self.beta_min + jnp.asarray(t) * (self.beta_max - self.beta_min)

    def integrated_beta(self, t: Time) -> Scalar:
        """Return ``B(t)``, the integral of beta from 0 to t."""
        t = jnp.asarray(t)
        return t * (self.beta_min + 0.5 * t * (self.beta_max - self.beta_min))

    def time_of_integrated_beta(self, integral: Scalar) -> Scalar:
        """Return the inverse of ``integrated_beta``: the root in the form without cancellation."""
        slope = self.beta_max - self.beta_min
        return 2 * integral / (self.beta_min + jnp.sqrt(self.beta_min**2 + 2 * slope * integral))

    def log_alpha(self, t: Time) -> Scalar:
        return -0.5 * self.integrated_beta(t)


@pytree
class VP(LinearBetaSDE):
    """``dx = -beta/2 x dt + sqrt(beta) dW`` (Song et al. 2021, arXiv:2011.13456, eq. 11).

    ``alpha = exp(-B/2)`` and ``sigma = sqrt(1 - exp(-B))``, so ``B = log(1 + rho^2)``.

    >>> from gradlog.sde_lib import VP
    >>> process = VP(beta_min=0.1, beta_max=20.0)
    >>> bool(abs(process.alpha(0.5) ** 2 + process.sigma(0.5) ** 2 - 1) < 1e-6)
    True
    >>> time = process.time_of_log_rho(process.log_rho(0.3))
    >>> print(f"{time:.3f}")
    0.300
    """

    def log_sigma(self, t: Time) -> Scalar:
        return 0.5 * jnp.log(-jnp.expm1(-self.integrated_beta(t)))

    def log_alpha_of_log_rho(self, log_rho: Time) -> Scalar:
        return -0.5 * jax.nn.softplus(2 * jnp.asarray(log_rho))

    def time_of_log_rho(self, log_rho: Time) -> Scalar:
        return self.time_of_integrated_beta(jax.nn.softplus(2 * jnp.asarray(log_rho)))

    def drift_and_diffusion(self, t: Time) -> tuple[Scalar, Scalar]:
        beta = self.beta(t)
        return -0.5 * beta, beta
