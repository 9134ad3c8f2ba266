"""The variance exploding SDE."""

import jax.numpy as jnp

from gradlog.sde_lib.base import SDE, Scalar, Time
from gradlog.sde_lib.pytree import pytree


@pytree
class VE(SDE):
    """``alpha = 1``, ``sigma = sigma_min (sigma_max/sigma_min)^t`` (Song et al. 2021, eq. 9).

    The prior is ``N(0, sigma_max^2 I)``.
    """

    sigma_min: float = 0.01
    sigma_max: float = 50.0

    @property
    def prior_std(self) -> Time:
        return self.sigma_max

    def log_alpha(self, t: Time) -> Scalar:
        return jnp.zeros_like(jnp.asarray(t, float))

    def log_sigma(self, t: Time) -> Scalar:
        # Two products of moderate size have half the rounding error of t log(s_max/s_min).
        t = jnp.asarray(t)
        return (1 - t) * jnp.log(self.sigma_min) + t * jnp.log(self.sigma_max)

    def log_alpha_of_log_rho(self, log_rho: Time) -> Scalar:
        return jnp.zeros_like(jnp.asarray(log_rho, float))

    def time_of_log_rho(self, log_rho: Time) -> Scalar:
        log_min = jnp.log(self.sigma_min)
        return (jnp.asarray(log_rho) - log_min) / (jnp.log(self.sigma_max) - log_min)

    def drift_and_diffusion(self, t: Time) -> tuple[Scalar, Scalar]:
        rate = jnp.log(self.sigma_max) - jnp.log(self.sigma_min)
        return jnp.zeros_like(rate), 2 * rate * self.sigma(t) ** 2
