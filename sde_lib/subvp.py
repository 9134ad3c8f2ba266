"""The sub-variance preserving SDE."""

import jax.numpy as jnp

from gradlog.sde_lib.base import Scalar, Time
from gradlog.sde_lib.pytree import pytree
from gradlog.sde_lib.vp import LinearBetaSDE


@pytree
class SubVP(LinearBetaSDE):
    """``dx = -beta/2 x dt + sqrt(beta (1 - exp(-2B))) dW`` (Song et al. 2021, eq. 12).

    ``alpha = exp(-B/2)`` and ``sigma = 1 - exp(-B)``, so ``rho = 2 sinh(B/2)``.
    """

    def log_sigma(self, t: Time) -> Scalar:
        return jnp.log(-jnp.expm1(-self.integrated_beta(t)))

    def log_alpha_of_log_rho(self, log_rho: Time) -> Scalar:
        return -jnp.arcsinh(0.5 * jnp.exp(jnp.asarray(log_rho)))

    def time_of_log_rho(self, log_rho: Time) -> Scalar:
        return self.time_of_integrated_beta(-2 * self.log_alpha_of_log_rho(log_rho))

    def drift_and_diffusion(self, t: Time) -> tuple[Scalar, Scalar]:
        beta = self.beta(t)
        return -0.5 * beta, -beta * jnp.expm1(-2 * self.integrated_beta(t))
