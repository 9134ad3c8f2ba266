"""A diffusion model of Gaussian data whose score is linear and wrong: everything in closed form.

The marginals of the model are Gaussians whose means and variances follow linear equations.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from gradlog.distributions import Gaussian
from gradlog.ode import Fixed
from gradlog.sde_lib import SDE

Scalar = Float[Array, ""]


class Affine(NamedTuple):
    """``slope x + offset``, coordinate by coordinate."""

    slope: Float[Array, "*D"]
    offset: Float[Array, "*D"]


class Moments(NamedTuple):
    """Mean and variance of each coordinate; over many noise levels, the first axis is theirs."""

    mean: Float[Array, "*D"]
    variance: Float[Array, "*D"]

    @property
    def score(self) -> Affine:
        """The score of the Gaussian with these moments."""
        return Affine(-1 / self.variance, self.mean / self.variance)


@struct.dataclass
class LinearScore:
    """``gain`` times the score of a Gaussian, which need not be the data's."""

    believed: Gaussian
    gain: float = 1.0

    def __call__(self, alpha: Scalar, sigma: Scalar) -> Affine:
        slope, offset = moments_at(self.believed, alpha, sigma).score
        return Affine(self.gain * slope, self.gain * offset)


def moments_at(law: Gaussian, alpha: Scalar, sigma: Scalar) -> Moments:
    """Of ``alpha x0 + sigma z``."""
    return Moments(alpha * law.mean, law.variance(alpha, sigma))


def gaussian_kl(p: Moments, q: Moments) -> Float[Array, ""]:
    """``KL(N(p) || N(q))`` in nats."""
    ratio = p.variance / q.variance
    return 0.5 * jnp.sum((p.mean - q.mean) ** 2 / q.variance + ratio - 1 - jnp.log(ratio))


def model_moments(
    sde: SDE, score: LinearScore, levels: Float[Array, " n"], *, noise: Scalar | float
) -> Moments:
    """Moments of the model's own marginals at levels of log rho, from the prior at the first.

    The model runs ``dx = [f x - (1 + noise)/2 g^2 s] dt + sqrt(noise) g dW`` backwards: its reverse
    SDE for noise 1, its probability flow for noise 0. In log rho, where ``g^2 dt = 2 sigma^2``,

      ``m' = a m - (1 + noise) sigma^2 (slope m + offset)``
      ``v' = 2 (a - (1 + noise) sigma^2 slope) v - 2 noise sigma^2``

    with ``a = d(log alpha)/d(log rho)``.
    """

    def rate(level: Scalar, moments: Moments) -> Moments:
        alpha, sigma = coefficients(sde, level)
        slope, offset = score(alpha, sigma)
        stretch = jax.grad(sde.log_alpha_of_log_rho)(level)
        pull = (1 + noise) * sigma**2
        mean = stretch * moments.mean - pull * (slope * moments.mean + offset)
        variance = 2 * (stretch - pull * slope) * moments.variance - 2 * noise * sigma**2
        return Moments(mean, variance)

    shape, dtype = score.believed.shape, levels.dtype
    prior = Moments(jnp.zeros(shape, dtype), jnp.full(shape, sde.prior_std**2, dtype))
    return Fixed(len(levels) - 1).path(rate, prior, levels).state


def coefficients(sde: SDE, log_rho: Scalar) -> tuple[Scalar, Scalar]:
    """alpha and sigma at a level of log rho."""
    log_alpha = sde.log_alpha_of_log_rho(log_rho)
    return jnp.exp(log_alpha), jnp.exp(log_alpha + log_rho)
