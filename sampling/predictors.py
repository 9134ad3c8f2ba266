"""Predictors: one step of the reverse-time SDE ``dx = [f x - g^2 s] dt + g dW``."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sampling.base import Scalar, ScoreFn
from sde_lib import SDE


@dataclass(frozen=True)
class EulerMaruyama:
    """The Euler-Maruyama step of the reverse SDE (Song et al. 2021, appendix G)."""

    def __call__(
        self,
        sde: SDE,
        score_fn: ScoreFn,
        x: Float[Array, "*D"],
        t: Scalar,
        t_next: Scalar,
        key: jax.Array,
    ) -> tuple[Float[Array, "*D"], Float[Array, "*D"]]:
        f, g2 = sde.drift_and_diffusion(t)
        step = t - t_next
        mean = x - step * (f * x - g2 * score_fn(x, t))
        return mean + jnp.sqrt(g2 * step) * jax.random.normal(key, x.shape), mean


@dataclass(frozen=True)
class ReverseDiffusion:
    """The forward transition reversed to first order (Song et al. 2021, appendix E, eq. 46).

    The forward path has ``x_t | x_{t'} ~ N(a x_{t'}, G^2 I)`` with ``a = alpha_t / alpha_{t'}`` and
    ``G^2 = sigma_t^2 - a^2 sigma_{t'}^2``; its reverse is ``x - (a - 1) x + G^2 s + G z``. For VE
    this is SMLD's ``sigma_i^2 - sigma_{i-1}^2``, for VP DDPM's ``sqrt(1 - beta_i)`` and ``beta_i``.
    """

    def __call__(
        self,
        sde: SDE,
        score_fn: ScoreFn,
        x: Float[Array, "*D"],
        t: Scalar,
        t_next: Scalar,
        key: jax.Array,
    ) -> tuple[Float[Array, "*D"], Float[Array, "*D"]]:
        a = jnp.exp(sde.log_alpha(t) - sde.log_alpha(t_next))
        # 1 - (rho_next / rho)^2 without cancellation.
        share = -jnp.expm1(2 * (sde.log_rho(t_next) - sde.log_rho(t)))
        G = sde.sigma(t) * jnp.sqrt(share)
        mean = (2 - a) * x + G**2 * score_fn(x, t)
        return mean + G * jax.random.normal(key, x.shape), mean
