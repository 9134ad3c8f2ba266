"""What a step from one time to an earlier one knows of the path between them."""

import jax.numpy as jnp

from gradlog.sampling.base import Scalar
from gradlog.sde_lib import SDE


def transition(process: SDE, t: Scalar, t_next: Scalar) -> tuple[Scalar, Scalar]:
    """``(a, G)`` of ``x_t | x_{t'} ~ N(a x_{t'}, G^2 I)`` with t' = ``t_next`` < t.

    ``a = alpha_t / alpha_{t'}``, ``G^2 = sigma_t^2 - a^2 sigma_{t'}^2``. For VE ``G^2`` is SMLD's
    ``sigma_i^2 - sigma_{i-1}^2``, for the chain of DDPM ``a^2 = 1 - beta_i``, ``G^2 = beta_i``.
    """
    a = jnp.exp(process.log_alpha(t) - process.log_alpha(t_next))
    return a, process.sigma(t) * jnp.sqrt(shrinkage(process, t, t_next))


def shrinkage(process: SDE, t: Scalar, t_next: Scalar) -> Scalar:
    """``1 - rho_{t'}^2 / rho_t^2``, which is ``G^2 / sigma_t^2``, without cancellation."""
    return -jnp.expm1(2 * (process.log_rho(t_next) - process.log_rho(t)))
