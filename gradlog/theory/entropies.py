"""Entropy, KL and Fisher divergence of laws at one noise level, and their rates along a process.

A noise level is a pair (alpha, sigma): the law of ``alpha x0 + sigma z`` with z ~ N(0, I). The
default, (1, 0), is the law of x0 itself. Every estimate comes with its standard error.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.distributions import Distribution, Estimate, monte_carlo
from gradlog.sde_lib import SDE

Time = Float[Array, ""] | float


def entropy_at(law: Distribution, sde: SDE, t: Time, key: Array, samples: int) -> Estimate:
    """Return ``H(p_t)`` in nats and its standard error."""
    return law.entropy(key, sde.alpha(t), sde.sigma(t), samples=samples)


def entropy_rate(law: Distribution, sde: SDE, t: Time, key: Array, samples: int) -> Estimate:
    """Return ``dH(p_t)/dt = 1/2 g^2 E||grad log p_t||^2 + d f`` in nats per time, and its error.

    The process has the drift ``f(t) x``, whose divergence is d f (Song et al. 2021,
    arXiv:2101.09258).
    """
    f, g2 = sde.drift_and_diffusion(t)
    alpha, sigma = sde.alpha(t), sde.sigma(t)

    def square_score(one: Array) -> Float[Array, ""]:
        return jnp.sum(law.score(law.sample_at(one, alpha, sigma), alpha, sigma) ** 2)

    mean, error = monte_carlo(square_score, key, samples)
    return 0.5 * g2 * mean + math.prod(law.shape) * f, 0.5 * g2 * error


def entropy_slope(law: Distribution, sde: SDE, t: Time, key: Array, samples: int) -> Estimate:
    """Return the derivative of the entropy itself in t, in nats per time, and its standard error.

    Each draw is differentiated along ``x_t = alpha x0 + sigma z`` for fixed x0 and z. No score
    identity enters, so this is an independent check of ``entropy_rate``.
    """

    def draw(one: Array, at: Time) -> Float[Array, ""]:
        return law.entropy_draw(one, sde.alpha(at), sde.sigma(at))

    at = jnp.asarray(t, float)
    return monte_carlo(lambda one: jax.grad(draw, argnums=1)(one, at), key, samples)


def log_ratio(
    p: Distribution, q: Distribution, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
) -> Float[Array, ""]:
    """Return ``log p(x)/q(x)`` in nats for two laws at one noise level."""
    return p.log_density(x, alpha, sigma) - q.log_density(x, alpha, sigma)


def kl_draw(
    p: Distribution, q: Distribution, key: Array, alpha: Time = 1.0, sigma: Time = 0.0
) -> Float[Array, ""]:
    """Return ``log p(x)/q(x)`` in nats at one draw of p.

    One key gives the same x0 and z at every noise level.
    """
    return log_ratio(p, q, p.sample_at(key, alpha, sigma), alpha, sigma)


def fisher_draw(
    p: Distribution, q: Distribution, key: Array, alpha: Time = 1.0, sigma: Time = 0.0
) -> Float[Array, ""]:
    """Return ``||grad log p(x) - grad log q(x)||^2`` at one draw of p."""
    x = p.sample_at(key, alpha, sigma)
    return jnp.sum((p.score(x, alpha, sigma) - q.score(x, alpha, sigma)) ** 2)


def kl(
    p: Distribution,
    q: Distribution,
    key: Array,
    alpha: Time = 1.0,
    sigma: Time = 0.0,
    *,
    samples: int = 4096,
) -> Estimate:
    """Return ``KL(p || q) = E_p log p/q`` in nats, and its standard error."""
    return monte_carlo(lambda one: kl_draw(p, q, one, alpha, sigma), key, samples)


def fisher_divergence(
    p: Distribution,
    q: Distribution,
    key: Array,
    alpha: Time = 1.0,
    sigma: Time = 0.0,
    *,
    samples: int = 4096,
) -> Estimate:
    """Return ``E_p ||grad log p - grad log q||^2``, with no factor of 1/2, and its standard error.

    Score matching minimizes this (Hyvarinen 2005). It depends on the slope of ``log p/q`` only. If
    two laws share their distant modes but not the weights, it is nearly zero and KL is not.
    """
    return monte_carlo(lambda one: fisher_draw(p, q, one, alpha, sigma), key, samples)


def log_variance(
    p: Distribution,
    q: Distribution,
    key: Array,
    alpha: Time = 1.0,
    sigma: Time = 0.0,
    *,
    samples: int = 4096,
) -> Estimate:
    """Return ``Var_p[log p/q]`` in nats squared, and its standard error.

    The log-variance divergence (Richter et al. 2020, arXiv:2010.10436, eq. 10). Like the Fisher
    divergence it does not depend on the constant of q; unlike it, it sees the weights of far modes.
    The two are related by Poincare's inequality, ``Var_p[f] <= C_P(p) E_p||grad f||^2``, where C_P
    is 1 for N(0, I) and grows exponentially with the distance of two modes.

    Two draws of p give half their squared difference, which has no bias.
    """

    def draw(one: Array) -> Float[Array, ""]:
        first, second = (kl_draw(p, q, key, alpha, sigma) for key in jax.random.split(one))
        return 0.5 * (first - second) ** 2

    return monte_carlo(draw, key, samples)


class LineDivergences(NamedTuple):
    """KL in nats, Fisher divergence, and ``Var_p[log p/q]`` in nats squared."""

    kl: Float[Array, ""]
    fisher: Float[Array, ""]
    log_variance: Float[Array, ""]


def integrate_on_line(
    p: Distribution,
    q: Distribution,
    points: Float[Array, " n"],
    alpha: Time = 1.0,
    sigma: Time = 0.0,
) -> LineDivergences:
    """Return the divergences of two laws in one dimension, by the trapezoidal rule.

    Unlike samples of p, the rule also covers the region between distant modes, where the scores
    differ.

    Args:
      p: the law in the expectation.
      q: the other law.
      points: an even grid that covers p.
      alpha: of the noise level.
      sigma: of the noise level.
    """

    def values(point: Float[Array, ""]) -> Float[Array, " 3"]:
        x = point[None]
        square = jnp.sum((p.score(x, alpha, sigma) - q.score(x, alpha, sigma)) ** 2)
        log_mass = p.log_density(x, alpha, sigma)
        return jnp.stack([jnp.exp(log_mass), log_ratio(p, q, x, alpha, sigma), square])

    mass, ratio, square = jax.vmap(values, out_axes=1)(points)
    mean = lambda f: jnp.trapezoid(mass * f, points)  # noqa: E731
    nats = mean(ratio)
    return LineDivergences(nats, mean(square), mean((ratio - nats) ** 2))


def kl_rate(
    p: Distribution, q: Distribution, sde: SDE, t: Time, key: Array, *, samples: int = 4096
) -> Estimate:
    """Return ``d/dt KL(p_t || q_t) = -1/2 g^2 E_p ||grad log p_t - grad log q_t||^2``, and its s.e.

    In nats per time, for two laws under the same forward process (Lyu 2009, arXiv:1205.2629,
    theorem 1; Song et al. 2021, arXiv:2101.09258, theorem 1).
    """
    _, g2 = sde.drift_and_diffusion(t)
    mean, error = fisher_divergence(p, q, key, sde.alpha(t), sde.sigma(t), samples=samples)
    return -0.5 * g2 * mean, 0.5 * g2 * error


def kl_slope(
    p: Distribution, q: Distribution, sde: SDE, t: Time, key: Array, *, samples: int = 4096
) -> Estimate:
    """Return the derivative of ``KL(p_t || q_t)`` itself in t, in nats per time, and its error.

    Each draw of ``log p_t/q_t`` is differentiated along ``x_t = alpha x0 + sigma z`` for fixed x0
    and z. No score identity enters, so this is an independent check of ``kl_rate``.
    """

    def draw(one: Array, at: Time) -> Float[Array, ""]:
        return kl_draw(p, q, one, sde.alpha(at), sde.sigma(at))

    at = jnp.asarray(t, float)
    return monte_carlo(lambda one: jax.grad(draw, argnums=1)(one, at), key, samples)


def local_variance(
    law: Distribution,
    f: Callable[[Float[Array, "*D"]], Float[Array, "*V"]],
    key: Array,
    width: Time,
    alpha: Time = 1.0,
    sigma: Time = 0.0,
    *,
    samples: int = 4096,
    neighbors: int = 16,
) -> Estimate:
    """Return ``E tr Cov_x'[f(x')] / width^2`` with ``x' ~ N(x, width^2 I)``, and its s.e.

    As the width goes to 0, this goes to ``E||grad f(x)||^2``, the sum of the squares of the
    Jacobian, with an error of order width^2: in a small neighborhood f is its slope times the step,
    and the step has variance width^2. For ``f = log p/q`` the limit is the Fisher divergence. So
    the Fisher divergence measures local variation only. It does not see a constant, such as the
    ratio of two weights.

    Args:
      law: the law of x.
      f: a function of a point, with one value or an array of them.
      key: of the draws. One key gives the same directions at every width.
      width: standard deviation of a step to a neighbor, in the units of x.
      alpha: of the noise level.
      sigma: of the noise level.
      samples: draws of x.
      neighbors: draws of x' for each x, two or more. Their sample variance has no bias.
    """

    def draw(one: Array) -> Float[Array, ""]:
        x_key, step_key = jax.random.split(one)
        x = law.sample_at(x_key, alpha, sigma)
        steps = width * jax.random.normal(step_key, (neighbors, *x.shape))
        return jnp.sum(jnp.var(jax.vmap(f)(x + steps), axis=0, ddof=1)) / width**2

    return monte_carlo(draw, key, samples)
