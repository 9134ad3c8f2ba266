"""What the theory says of a diffusion model's KL divergence, to many digits, on Gaussians."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.integrate import simpson

from gradlog.distributions import Gaussian
from gradlog.sde_lib import SDE
from gradlog.theory.linear_model import (
    Affine,
    LinearScore,
    Moments,
    coefficients,
    gaussian_kl,
    model_moments,
    moments_at,
)

Scalar = Float[Array, ""]
Numbers = Any


class Ledger(NamedTuple):
    """KL divergences of the data at eps from the model, each also as the theory has it; nats.

    Numbers of one model, or arrays of many.
    """

    kl_flow: Numbers
    kl_flow_by_scores: Numbers
    kl_sde: Numbers
    kl_sde_by_scores: Numbers
    bound: Numbers
    prior: Numbers


def ledger(
    law: Gaussian, sde: SDE, score: LinearScore, eps: float, *, intervals: int = 512
) -> Ledger:
    """KL of the law at eps from the model's, directly and as integrals of scores.

    With p the data's marginals and q the model's own, both at t,

      flow: ``KL = 1/2 int g^2 E_p[(grad log p - s) . (grad log p - grad log q)] dt + prior``
      SDE:  ``KL = 1/2 int g^2 E_p[||grad log p - s||^2 - ||grad log q - s||^2] dt + prior``

    (Lu et al. 2022, arXiv:2206.08265, theorem 3.1, for the flow, whose q are the flow's marginals;
    Song et al. 2021, arXiv:2101.09258, theorem 1, for the SDE). Without its second term the SDE's
    is the likelihood-weighted bound: it holds with equality exactly where ``s = grad log q``.

    Args:
      law: of the data.
      sde: the process.
      score: the model's.
      eps: time at which the model ends.
      intervals: steps, even in log rho; an even number. The errors fall with their fourth power.
    """
    levels, integrands, ends = _along(law, sde, score, eps, intervals)
    # From t_max down to eps: the integral over log rho rises.
    by_flow, by_sde, bound = -np.asarray(simpson(np.asarray(integrands), x=np.asarray(levels)))
    prior, kl_flow, kl_sde = (float(nats) for nats in ends)
    return Ledger(
        kl_flow=kl_flow,
        kl_flow_by_scores=float(by_flow) + prior,
        kl_sde=kl_sde,
        kl_sde_by_scores=float(by_sde) + prior,
        bound=float(bound) + prior,
        prior=prior,
    )


@functools.partial(jax.jit, static_argnames="intervals")
def _along(law: Gaussian, sde: SDE, score: LinearScore, eps: float, intervals: int):
    """Levels of log rho, the three integrands at each, and KL of the prior, the flow, the SDE."""
    levels = jnp.linspace(sde.log_rho(sde.t_max), sde.log_rho(eps), intervals + 1)
    flow, reverse = (model_moments(sde, score, levels, noise=noise) for noise in (0.0, 1.0))

    def integrands(level: Scalar, own_flow: Moments, own_sde: Moments):
        alpha, sigma = coefficients(sde, level)
        p, s = moments_at(law, alpha, sigma), score(alpha, sigma)
        wrong, off = _minus(p.score, s), _minus(own_sde.score, s)
        bound = _mean_product(p, wrong, wrong)
        by_flow = _mean_product(p, wrong, _minus(p.score, own_flow.score))
        return sigma**2 * jnp.stack([by_flow, bound - _mean_product(p, off, off), bound])

    first, last = (moments_at(law, *coefficients(sde, levels[end])) for end in (0, -1))
    ends = [(first, _at(flow, 0)), (last, _at(flow, -1)), (last, _at(reverse, -1))]
    values = jax.vmap(integrands, out_axes=1)(levels, flow, reverse)
    return levels, values, [gaussian_kl(*pair) for pair in ends]


def _at(path: Moments, index: int) -> Moments:
    return Moments(path.mean[index], path.variance[index])


def _minus(first: Affine, second: Affine) -> Affine:
    return Affine(first.slope - second.slope, first.offset - second.offset)


def _mean_product(law: Moments, first: Affine, second: Affine) -> Scalar:
    """``E[first(x) . second(x)]``."""
    at_mean = [part.slope * law.mean + part.offset for part in (first, second)]
    return jnp.sum(at_mean[0] * at_mean[1] + first.slope * second.slope * law.variance)
