"""Distances between two laws at a noise level, and their rates along a process."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.distributions import Estimate, Oracle, monte_carlo
from gradlog.sde_lib import SDE

Time = Float[Array, ""] | float


def log_ratio(
    p: Oracle, q: Oracle, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
) -> Float[Array, ""]:
    """``log p(x)/q(x)`` in nats of the two laws at one noise level."""
    return p.log_density(x, alpha, sigma) - q.log_density(x, alpha, sigma)


def kl_draw(
    p: Oracle, q: Oracle, key: Array, alpha: Time = 1.0, sigma: Time = 0.0
) -> Float[Array, ""]:
    """``log p(x)/q(x)`` in nats at one draw of p, the same x0 and z at every noise level."""
    return log_ratio(p, q, p.sample_at(key, alpha, sigma), alpha, sigma)


def fisher_draw(
    p: Oracle, q: Oracle, key: Array, alpha: Time = 1.0, sigma: Time = 0.0
) -> Float[Array, ""]:
    """``||grad log p(x) - grad log q(x)||^2`` at one draw of p."""
    x = p.sample_at(key, alpha, sigma)
    return jnp.sum((p.score(x, alpha, sigma) - q.score(x, alpha, sigma)) ** 2)


def kl(
    p: Oracle, q: Oracle, key: Array, alpha: Time = 1.0, sigma: Time = 0.0, *, samples: int = 4096
) -> Estimate:
    """``KL(p || q) = E_p log p/q`` in nats, and its standard error."""
    return monte_carlo(lambda one: kl_draw(p, q, one, alpha, sigma), key, samples)


def fisher_divergence(
    p: Oracle, q: Oracle, key: Array, alpha: Time = 1.0, sigma: Time = 0.0, *, samples: int = 4096
) -> Estimate:
    """``E_p ||grad log p - grad log q||^2``, without a factor of 1/2, and its standard error.

    What score matching minimizes (Hyvarinen 2005). It sees only the slope of ``log p/q``: where
    two laws have the same modes far apart in other proportions, it is nearly zero and KL is not.
    """
    return monte_carlo(lambda one: fisher_draw(p, q, one, alpha, sigma), key, samples)


def on_line(
    p: Oracle, q: Oracle, points: Float[Array, " n"], alpha: Time = 1.0, sigma: Time = 0.0
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """KL (nats) and Fisher divergence of two laws in one dimension, by the trapezoidal rule.

    The points are evenly spaced and reach to where p ends. It sees what no draw of p meets: between
    modes far apart, where their scores differ.
    """

    def integrands(point: Float[Array, ""]) -> Float[Array, " 2"]:
        x = point[None]
        square = jnp.sum((p.score(x, alpha, sigma) - q.score(x, alpha, sigma)) ** 2)
        mass = jnp.exp(p.log_density(x, alpha, sigma))
        return mass * jnp.stack([log_ratio(p, q, x, alpha, sigma), square])

    nats, fisher = jnp.trapezoid(jax.vmap(integrands, out_axes=1)(points), points)
    return nats, fisher


def kl_rate(
    p: Oracle, q: Oracle, sde: SDE, t: Time, key: Array, *, samples: int = 4096
) -> Estimate:
    """``d/dt KL(p_t || q_t) = -1/2 g^2 E_p ||grad log p_t - grad log q_t||^2``, nats per time.

    Of two laws carried by the same forward process (Lyu 2009, arXiv:1205.2629, theorem 1; Song et
    al. 2021, arXiv:2101.09258, theorem 1), and its standard error.
    """
    _, g2 = sde.drift_and_diffusion(t)
    mean, error = fisher_divergence(p, q, key, sde.alpha(t), sde.sigma(t), samples=samples)
    return -0.5 * g2 * mean, 0.5 * g2 * error


def kl_slope(
    p: Oracle, q: Oracle, sde: SDE, t: Time, key: Array, *, samples: int = 4096
) -> Estimate:
    """``d/dt KL(p_t || q_t)`` in nats per time by differentiating the KL itself, and its error.

    Each draw of ``log p_t/q_t`` is differentiated along ``x_t = alpha x0 + sigma z`` with x0 and z
    held: what the identity of ``kl_rate`` is checked against.
    """

    def draw(one: Array, at: Time) -> Float[Array, ""]:
        return kl_draw(p, q, one, sde.alpha(at), sde.sigma(at))

    at = jnp.asarray(t, float)
    return monte_carlo(lambda one: jax.grad(draw, argnums=1)(one, at), key, samples)


def local_variance(
    p: Oracle,
    q: Oracle,
    key: Array,
    width: Time,
    alpha: Time = 1.0,
    sigma: Time = 0.0,
    *,
    samples: int = 4096,
    neighbors: int = 16,
) -> Estimate:
    """``E_p Var_x'[log p(x')/q(x')] / width^2`` with ``x' ~ N(x, width^2 I)``, and its error.

    It tends to the Fisher divergence as the width does to 0, with an error of order width^2: over a
    small neighborhood ``log p/q`` is its slope times the step, whose variance is width^2. So the
    Fisher divergence is how much ``log p/q`` varies locally; a constant, such as the ratio of two
    weights, it does not see.

    Args:
      p: the law that x is drawn from.
      q: the law that it is compared with.
      key: of the draws; the same key gives the same directions at every width.
      width: standard deviation of a step to a neighbor, in the units of x.
      alpha: of the noise level.
      sigma: of the noise level.
      samples: draws of x.
      neighbors: draws of x' to each, two or more; their sample variance has no bias.
    """

    def draw(one: Array) -> Float[Array, ""]:
        x_key, step_key = jax.random.split(one)
        x = p.sample_at(x_key, alpha, sigma)
        steps = width * jax.random.normal(step_key, (neighbors, *x.shape))
        ratios = jax.vmap(lambda step: log_ratio(p, q, x + step, alpha, sigma))(steps)
        return jnp.var(ratios, ddof=1) / width**2

    return monte_carlo(draw, key, samples)
