"""The entropy of the noisy data along a process, and its rate."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.distributions import Estimate, Oracle, monte_carlo
from gradlog.sde_lib import SDE

Time = Float[Array, ""] | float


def entropy_at(law: Oracle, sde: SDE, t: Time, key: Array, samples: int) -> Estimate:
    """``H(p_t)`` in nats and its standard error."""
    return law.entropy(key, sde.alpha(t), sde.sigma(t), samples=samples)


def entropy_rate(law: Oracle, sde: SDE, t: Time, key: Array, samples: int) -> Estimate:
    """``dH(p_t)/dt = 1/2 g^2 E||grad log p_t||^2 + d f`` in nats per time, and its standard error.

    Of a process whose drift is ``f(t) x``, with divergence d f (Song et al. 2021,
    arXiv:2101.09258).
    """
    f, g2 = sde.drift_and_diffusion(t)
    mean, error = monte_carlo(lambda one: _square_score(law, sde, t, one), key, samples)
    return 0.5 * g2 * mean + math.prod(law.shape) * f, 0.5 * g2 * error


def entropy_slope(law: Oracle, sde: SDE, t: Time, key: Array, samples: int) -> Estimate:
    """``dH(p_t)/dt`` in nats per time by differentiating the entropy itself in t, and its error.

    Each draw is differentiated along ``x_t = alpha x0 + sigma z`` with x0 and z held: what the
    identity of ``entropy_rate`` is checked against.
    """

    def draw(one: Array, at: Time) -> Float[Array, ""]:
        return law.entropy_draw(one, sde.alpha(at), sde.sigma(at))

    at = jnp.asarray(t, float)
    return monte_carlo(lambda one: jax.grad(draw, argnums=1)(one, at), key, samples)


def _square_score(law: Oracle, sde: SDE, t: Time, key: Array) -> Float[Array, ""]:
    alpha, sigma = sde.alpha(t), sde.sigma(t)
    return jnp.sum(law.score(law.sample_at(key, alpha, sigma), alpha, sigma) ** 2)
