"""Variance preserving SDE."""

import jax
import jax.numpy as jnp

from gradlog.sde_lib.base import Scalar, Time
from gradlog.sde_lib.linear_beta import LinearBetaSDE
from gradlog.sde_lib.pytree import pytree


@pytree
class VP(LinearBetaSDE):
    """``dx = -beta/2 x dt + sqrt(beta) dW`` (Song et al. 2021, arXiv:2011.13456, eq. 11).

    ``alpha = exp(-B/2)``, ``sigma = sqrt(1 - exp(-B))``, so that ``B = log(1 + rho^2)``.
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
