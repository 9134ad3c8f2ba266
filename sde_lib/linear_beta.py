"""The linear schedule ``beta(t) = beta_min + t (beta_max - beta_min)`` behind VP and sub-VP."""

import jax.numpy as jnp

from gradlog.sde_lib.base import SDE, Scalar, Time
from gradlog.sde_lib.pytree import pytree


@pytree
class LinearBetaSDE(SDE):
    """``alpha = exp(-B/2)`` with ``B(t)`` the integral of a linear beta (Ho et al. 2020)."""

    beta_min: float = 0.1
    beta_max: float = 20.0

    def beta(self, t: Time) -> Scalar:
        """The rate at time t, in 1 / time."""
        return self.beta_min + jnp.asarray(t) * (self.beta_max - self.beta_min)

    def integrated_beta(self, t: Time) -> Scalar:
        """``B(t)``, the integral of beta from 0 to t."""
        t = jnp.asarray(t)
        return t * (self.beta_min + 0.5 * t * (self.beta_max - self.beta_min))

    def time_of_integrated_beta(self, integral: Scalar) -> Scalar:
        """Inverse of ``integrated_beta``, a root in the form that does not cancel."""
        slope = self.beta_max - self.beta_min
        return 2 * integral / (self.beta_min + jnp.sqrt(self.beta_min**2 + 2 * slope * integral))

    def log_alpha(self, t: Time) -> Scalar:
        return -0.5 * self.integrated_beta(t)
