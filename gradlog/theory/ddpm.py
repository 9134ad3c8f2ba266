"""DDPM in discrete time, as published, and its place on the continuous path of VP.

Ho, Jain, Abbeel 2020, arXiv:2006.11239. Their levels n = 1..N are array indices 0..N-1 here. With
``alpha_bar_n = prod_{m <= n} (1 - beta_m)``, the noisy data are
``x_n = sqrt(alpha_bar_n) x0 + sqrt(1 - alpha_bar_n) z``. This path preserves variance, as VP does,
so each level is a time of VP.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.sde_lib import VP

Levels = Float[Array, " n"]
Scalar = Float[Array, ""]
NoiseFn = Callable[[Float[Array, "*D"]], Float[Array, "*D"]]


def linear_betas(num_levels: int = 1000, first: float = 1e-4, last: float = 0.02) -> Levels:
    """Return the published schedule (section 4): betas of N steps, linear in n."""
    return jnp.linspace(first, last, num_levels)


def log_signal(betas: Levels) -> Levels:
    """Return ``log alpha_bar_n``, accurate also near ``alpha_bar = 1``."""
    return jnp.cumsum(jnp.log1p(-betas))


def log_rho_of_levels(betas: Levels) -> Levels:
    """Return ``log rho_n = 1/2 log((1 - alpha_bar_n)/alpha_bar_n)``."""
    log_alpha_bar = log_signal(betas)
    return 0.5 * (jnp.log(-jnp.expm1(log_alpha_bar)) - log_alpha_bar)


def times_of_levels(sde: VP, betas: Levels) -> Levels:
    """Return the times with ``alpha = sqrt(alpha_bar_n)`` and ``sigma = sqrt(1 - alpha_bar_n)``.

    They exist for any betas, because ``alpha^2 + sigma^2 = 1`` for VP, so rho determines both. For
    the published betas they are uniform in t up to terms of order 1/N. So a uniform draw of n is
    nearly a uniform draw of t.
    """
    return jax.vmap(sde.time_of_log_rho)(log_rho_of_levels(betas))


def simple_loss(
    noise_fn: NoiseFn, x0: Float[Array, "*D"], log_alpha_bar: Scalar, z: Float[Array, "*D"]
) -> Scalar:
    """Return ``||z - eps_theta(sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) z)||^2`` (eq. 14).

    For ``s = -eps_theta/sigma`` this is twice the denoising integrand ``1/2 ||sigma s + z||^2`` of
    ``losses`` at that level. So DDPM's loss is denoising score matching with the weighting sigma^2.
    The published code takes the mean over dimensions: this value divided by d.
    """
    x = jnp.exp(0.5 * log_alpha_bar) * x0 + jnp.sqrt(-jnp.expm1(log_alpha_bar)) * z
    return jnp.sum((z - noise_fn(x)) ** 2)


def ancestral_mean(
    score: Float[Array, "*D"], x: Float[Array, "*D"], beta: Scalar
) -> Float[Array, "*D"]:
    """Return ``(x - beta/sqrt(1 - alpha_bar) eps_theta)/sqrt(1 - beta)`` (eq. 11) from the score.

    It is the mean of the reverse step from level n to n - 1. With the true score it equals
    ``E[x_{n-1} | x_n]``, by Tweedie's formula for one step of noise beta.
    """
    return (x + beta * score) / jnp.sqrt(1 - beta)


def variational_weights(betas: Levels) -> Levels:
    """Return the factors of ``||z - eps_theta||^2`` in the terms n = 2..N of the bound (eq. 12).

    They are ``beta_n^2 / (2 beta~_n (1 - beta_n)(1 - alpha_bar_n))``, for a bound in nats, with the
    posterior variance ``beta~_n = beta_n (1 - alpha_bar_{n-1})/(1 - alpha_bar_n)``. This equals
    half of ``(rho_n/rho_{n-1})^2 - 1``. So ``N`` times the factors tends to half of
    ``g^2/sigma^2 = 2 d(log rho)/dt``, the likelihood weighting. The simple loss replaces them by 1.
    """
    return 0.5 * jnp.expm1(2 * jnp.diff(log_rho_of_levels(betas)))
