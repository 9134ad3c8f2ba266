"""The variational bound as an objective: the score, and the numbers of the process."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from gradlog.losses.base import Loss
from gradlog.losses.denoising import DenoisingScoreMatching
from gradlog.losses.keys import example_keys
from gradlog.losses.sliced import ReducedVarianceScoreMatching
from gradlog.losses.times import TimeProposal, UniformTime
from gradlog.losses.variance import train_inside_for_variance
from gradlog.models import BoundModel, Decoder
from gradlog.sde_lib import SDE, GaussianPath, Process, sum_over

Scalar = Float[Array, ""]

# Integrands with the expectation ``1/2 E||sigma s + z||^2 - offset d``, and their offset.
ELBO_FORMS: Mapping[str, tuple[type, float]] = {
    "dsm": (DenoisingScoreMatching, 0.0),
    "ssm": (ReducedVarianceScoreMatching, 0.5),
}


@dataclass(frozen=True)
class EvidenceBound:
    """An upper bound on ``-log P`` of a stored datum in nats per dimension, at one draw.

    It is the objective of f, g and s (Song et al. 2021, arXiv:2101.09258, theorem 3), whose terms
    are rearranged as in VDM (Kingma et al. 2021, arXiv:2107.00630, eq. 11 and 17):

    ``KL(p(x_T | x) || prior) + int d(log rho) E||sigma s + z||^2 - E[log q(x | x_eps)] + log q(u)
    + d log(stored units per model unit)``, over d.

    Where rho is an array, the integral is the line integral ``sum_d int d(log rho_d) E(sigma s +
    z)_d^2`` (Sahoo et al. 2024, arXiv:2312.13236). Where the process has a latent, its KL is added.

    Here ``q(x | x_eps) = N(x_eps/a + b^2 s/a, (b/a)^2 I)`` with a, b = alpha, sigma at eps, and the
    integral over ``d(log rho) = g^2/(2 sigma^2) dt`` starts at eps. The noised points are functions
    of the process, so the gradient by f and g goes through them. Both ends of a schedule are
    charged: the first by the reconstruction, the last by the prior. With the dequantizer `Decoder`,
    q is its distribution over the levels. The metrics are these terms in nats per dimension.
    `likelihood.VariationalBound` is the same bound, with many draws.

    >>> import jax, jax.numpy as jnp
    >>> from gradlog.distributions import Gaussian
    >>> from gradlog.losses import DenoisingScoreMatching, UniformLogRho
    >>> from gradlog.models import BoundModel
    >>> from gradlog.sde_lib import VP
    >>> data = Gaussian(mean=jnp.zeros(2), std=jnp.ones(2))
    >>> model = BoundModel(VP(), data.score_fn(VP()))
    >>> bound = EvidenceBound(DenoisingScoreMatching(), 0.0, UniformLogRho(), eps=1e-3)
    >>> loss = bound(model, jnp.array([0.5, -1.0]), jnp.array(0.3), jax.random.key(0))
    >>> list(loss.metrics)
    ['prior', 'diffusion', 'reconstruction']

    Attributes:
      integrand: score matching at one noise level, one of ``ELBO_FORMS``.
      offset: what the integrand lacks per dimension.
      proposal: the distribution of the times of the examples.
      eps: the smallest time.
      variance_training: whether the inside of a learned schedule gets the gradient of the variance
        of the diffusion term; see `train_inside_for_variance`.
    """

    integrand: DenoisingScoreMatching | ReducedVarianceScoreMatching
    offset: float
    proposal: TimeProposal
    eps: float
    variance_training: bool = True

    @property
    def accepts(self) -> type[Process]:
        return GaussianPath if isinstance(self.proposal, UniformTime) else SDE

    def __call__(
        self,
        model: BoundModel,
        x: Num[Array, "*D"],
        u: Scalar,
        key: jax.Array,
        condition: Int[Array, ""] | None = None,
    ) -> Loss:
        """Return the bound of the stored example x, with a noise level that u selects."""
        keys, model = example_keys(key), model.conditioned(condition)
        x0, log_q = model.dequantize(keys.dequantization, x)
        model, latent = model.encode_latent(x0, keys.latent)
        z = jax.random.normal(keys.reconstruction, x0.shape)
        if self.variance_training and model.process.INSIDE:
            diffusion = train_inside_for_variance(self.diffusion, model, x0, u, keys.integrand)
        else:
            diffusion = self.diffusion(model, x0, u, keys.integrand)
        terms = {
            "prior": prior_kl(model.process, x0) / x0.size,
            "diffusion": diffusion,
            "reconstruction": reconstruction(model, x0, self.eps, z) / x0.size,
        }
        if latent is not None:
            terms["latent"] = latent / x0.size
        value = sum(terms.values(), start=log_q / x0.size)
        units = model.log_scale or 0.0  # a decoder gives a probability, which has no unit
        return Loss(value + units, terms | model.process.metrics())

    def diffusion(
        self, model: BoundModel, x0: Float[Array, "*D"], u: Scalar, key: jax.Array
    ) -> Scalar:
        """Return ``int d(log rho) E||sigma s + z||^2 / d`` by one draw."""
        t, inverse_density = self.proposal(model.process, self.eps, u)
        half_squares = self.integrand.per_dimension(model, x0, t, key) + self.offset
        return 2 * inverse_density * jnp.mean(model.process.log_rho_rate(t) * half_squares)


def prior_kl(process: GaussianPath, x0: Float[Array, "*D"]) -> Scalar:
    """Return ``KL(N(alpha_T x0, sigma_T^2) || N(0, prior_std^2 I))`` in nats."""
    log_std = jnp.log(jnp.asarray(process.prior_std))
    log_ratio = 2 * (process.log_sigma(process.t_max) - log_std)
    signal = jnp.exp(2 * (process.log_alpha(process.t_max) - log_std))
    return 0.5 * jnp.sum(signal * x0**2 + (jnp.expm1(log_ratio) - log_ratio))


def reconstruction(
    model: BoundModel, x0: Float[Array, "*D"], eps: float, z: Float[Array, "*D"]
) -> Scalar:
    """Return ``-log q(x0 | x_eps)`` in nats at ``x_eps = alpha x0 + sigma z``.

    The mean of q has the error ``-rho (z + sigma s)``, and its standard deviation is rho. With
    the dequantizer `Decoder`, q is its distribution over the levels.
    """
    process = model.process
    if isinstance(model.dequantizer, Decoder):
        rho = jnp.exp(process.log_rho(eps))
        return -model.dequantizer.log_decoder(x0, x0 + rho * z, rho)
    residual = z + process.sigma(eps) * model.score(process.perturb(x0, eps, z), eps)
    log_rho = process.log_rho(eps)
    return 0.5 * jnp.sum(residual**2) + sum_over(log_rho + 0.5 * math.log(2 * math.pi), x0)
