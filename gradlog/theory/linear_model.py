"""A diffusion model of Gaussian data whose score is linear and wrong: everything in closed form.

The marginals of the model are Gaussians, and their means and variances follow linear equations. So
the integrals that the theory gives for a model's KL divergence can be checked to many digits.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float
from scipy.integrate import simpson

from gradlog.distributions import Gaussian
from gradlog.ode import Fixed
from gradlog.sde_lib import SDE

Scalar = Float[Array, ""]
Numbers = Any  # a number, or an array of them


class Affine(NamedTuple):
    """The function ``slope x + offset``, coordinate by coordinate."""

    slope: Float[Array, "*D"]
    offset: Float[Array, "*D"]

    def __sub__(self, other: "Affine") -> "Affine":
        return Affine(self.slope - other.slope, self.offset - other.offset)


class Moments(NamedTuple):
    """Mean and variance of each coordinate; over many noise levels, the first axis is theirs."""

    mean: Float[Array, "*D"]
    variance: Float[Array, "*D"]

    @property
    def score(self) -> Affine:
        """Score of the Gaussian with these moments."""
        return Affine(-1 / self.variance, self.mean / self.variance)


@struct.dataclass
class LinearScore:
    """``gain`` times the score of the Gaussian ``believed``, which may differ from the data's."""

    believed: Gaussian
    gain: float = 1.0

    def __call__(self, alpha: Scalar, sigma: Scalar) -> Affine:
        slope, offset = moments_at(self.believed, alpha, sigma).score
        return Affine(self.gain * slope, self.gain * offset)


class LinearKL(NamedTuple):
    """KL divergences of the data at eps from the model, in nats.

    The fields that end in ``_by_scores`` are the same quantities from the theory's integrals. All
    fields are numbers of one model, or arrays over many models.
    """

    kl_flow: Numbers
    kl_flow_by_scores: Numbers
    kl_sde: Numbers
    kl_sde_by_scores: Numbers
    bound: Numbers
    prior: Numbers


def linear_kl(
    law: Gaussian, sde: SDE, score: LinearScore, eps: float, *, intervals: int = 512
) -> LinearKL:
    """Return KL of the law at eps from the model's, in closed form and as integrals of scores.

    With p the data's marginals and q the model's own, both at t,

      flow: ``KL = 1/2 int g^2 E_p[(grad log p - s) . (grad log p - grad log q)] dt + prior``
      SDE:  ``KL = 1/2 int g^2 E_p[||grad log p - s||^2 - ||grad log q - s||^2] dt + prior``

    (Lu et al. 2022, arXiv:2206.08265, theorem 3.1, for the flow, whose q are the flow's marginals;
    Song et al. 2021, arXiv:2101.09258, theorem 1, for the SDE). Without its second term, the SDE's
    integral is the likelihood-weighted bound. It holds with equality exactly for
    ``s = grad log q``.

    Args:
      law: of the data.
      sde: the process.
      score: the model's score.
      eps: time at which the model ends.
      intervals: even number of steps in log rho; the errors fall with its fourth power.
    """
    levels, integrands, ends = _integrands_and_ends(law, sde, score, eps, intervals)
    # From t_max down to eps: the integral over log rho rises.
    by_flow, by_sde, bound = -np.asarray(simpson(np.asarray(integrands), x=np.asarray(levels)))
    prior, kl_flow, kl_sde = (float(nats) for nats in ends)
    return LinearKL(
        kl_flow=kl_flow,
        kl_flow_by_scores=float(by_flow) + prior,
        kl_sde=kl_sde,
        kl_sde_by_scores=float(by_sde) + prior,
        bound=float(bound) + prior,
        prior=prior,
    )


@functools.partial(jax.jit, static_argnames="intervals")
def _integrands_and_ends(law: Gaussian, sde: SDE, score: LinearScore, eps: float, intervals: int):
    """Return levels of log rho, the three integrands at each, and KL of prior, flow and SDE."""
    levels = jnp.linspace(sde.log_rho(sde.t_max), sde.log_rho(eps), intervals + 1)
    flow, reverse = (model_moments(sde, score, levels, noise=noise) for noise in (0.0, 1.0))

    def mean_product(p: Moments, first: Affine, second: Affine) -> Scalar:
        """Return ``E_p[first(x) . second(x)]``."""
        at_mean = [part.slope * p.mean + part.offset for part in (first, second)]
        return jnp.sum(at_mean[0] * at_mean[1] + first.slope * second.slope * p.variance)

    def integrands(level: Scalar, own_flow: Moments, own_sde: Moments):
        alpha, sigma = coefficients(sde, level)
        p, s = moments_at(law, alpha, sigma), score(alpha, sigma)
        wrong, off = p.score - s, own_sde.score - s
        bound = mean_product(p, wrong, wrong)
        by_flow = mean_product(p, wrong, p.score - own_flow.score)
        return sigma**2 * jnp.stack([by_flow, bound - mean_product(p, off, off), bound])

    at = lambda path, index: Moments(path.mean[index], path.variance[index])  # noqa: E731
    first, last = (moments_at(law, *coefficients(sde, levels[end])) for end in (0, -1))
    ends = [(first, at(flow, 0)), (last, at(flow, -1)), (last, at(reverse, -1))]
    values = jax.vmap(integrands, out_axes=1)(levels, flow, reverse)
    return levels, values, [gaussian_kl(*pair) for pair in ends]


def moments_at(law: Gaussian, alpha: Scalar, sigma: Scalar) -> Moments:
    """Return the moments of ``alpha x0 + sigma z``."""
    return Moments(alpha * law.mean, law.variance(alpha, sigma))


def gaussian_kl(p: Moments, q: Moments) -> Float[Array, ""]:
    """Return ``KL(N(p) || N(q))`` in nats."""
    ratio = p.variance / q.variance
    return 0.5 * jnp.sum((p.mean - q.mean) ** 2 / q.variance + ratio - 1 - jnp.log(ratio))


def model_moments(
    sde: SDE, score: LinearScore, levels: Float[Array, " n"], *, noise: Scalar | float
) -> Moments:
    """Return the moments of the model's marginals at levels of log rho, the prior at the first.

    The model runs ``dx = [f x - (1 + noise)/2 g^2 s] dt + sqrt(noise) g dW`` backwards. Noise 1
    gives its reverse SDE, noise 0 its probability flow. In log rho, where ``g^2 dt = 2 sigma^2``,

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
    """Return alpha and sigma at a level of log rho."""
    log_alpha = sde.log_alpha_of_log_rho(log_rho)
    return jnp.exp(log_alpha), jnp.exp(log_alpha + log_rho)
