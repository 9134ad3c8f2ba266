"""Formulas that several samplers share: transitions between two times, and the posterior mean."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sampling.base import Scalar
from gradlog.sde_lib import SDE


def transition_coefficients(process: SDE, t: Scalar, t_next: Scalar) -> tuple[Scalar, Scalar]:
    """Return ``(a, G)`` of ``x_t | x_{t'} ~ N(a x_{t'}, G^2 I)`` with t' = ``t_next`` < t.

    ``a = alpha_t / alpha_{t'}``, ``G^2 = sigma_t^2 - a^2 sigma_{t'}^2``. For VE ``G^2`` is SMLD's
    ``sigma_i^2 - sigma_{i-1}^2``. For the chain of DDPM ``a^2 = 1 - beta_i`` and ``G^2 = beta_i``.
    """
    a = jnp.exp(process.log_alpha(t) - process.log_alpha(t_next))
    return a, process.sigma(t) * jnp.sqrt(added_noise_fraction(process, t, t_next))


def added_noise_fraction(process: SDE, t: Scalar, t_next: Scalar) -> Scalar:
    """Return ``1 - rho_{t'}^2 / rho_t^2 = G^2 / sigma_t^2``, computed without cancellation."""
    return -jnp.expm1(2 * (process.log_rho(t_next) - process.log_rho(t)))


def posterior_mean(
    model: BoundModel, x: Float[Array, "*D"], t: Scalar | float
) -> Float[Array, "*D"]:
    """Return ``E[x0 | x_t = x] = (x + sigma^2 s) / alpha`` (Tweedie; Efron 2011).

    The result is a point of the data's space. It removes noise that matters for FID
    (Jolicoeur-Martineau et al. 2021, arXiv:2009.05475).

    score_sde ends with the mean of its predictor. With reverse diffusion on DDPM's chain, that mean
    equals this value to first order. On VE it has ``sigma(0)^2`` where this has ``sigma(eps)^2``:
    1.7% less at eps = 1e-3 with the ends 0.01 and 50, and 0.02% less at its own eps of VE, 1e-5.
    """
    return (x + model.process.sigma(t) ** 2 * model.score(x, t)) / model.process.alpha(t)
