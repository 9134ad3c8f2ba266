"""The variational bound as an objective: the score, and the numbers of the process."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from gradlog.losses.denoising import DenoisingScoreMatching
from gradlog.losses.random_keys import ExampleKeys
from gradlog.losses.sliced import ReducedVarianceScoreMatching
from gradlog.losses.stored_bound import StoredBound, split_draw, split_terms
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
class EvidenceBound(StoredBound):
    """An upper bound on ``-log P`` of a stored datum in nats per dimension, at one draw.

    It is the objective of f, g and s (Song et al. 2021, arXiv:2101.09258, theorem 3), whose terms
    are rearranged as in VDM (Kingma et al. 2021, arXiv:2107.00630, eq. 11 and 17):

    ``KL(p(x_T | x) || prior) + int d(log rho) E||sigma s + z||^2 - E[log q(x | x_eps)] + log q(u)
    + d log(stored units per model unit)``, over d.

    Where rho is an array, the integral is the line integral ``sum_d int d(log rho_d) E(sigma s +
    z)_d^2`` (Sahoo et al. 2024, arXiv:2312.13236). Where the process has a latent, its KL is added.

    Here ``q(x | x_eps) = N(x_eps/a + b^2 s/a, (b/a)^2 I)`` with a, b = alpha, sigma at eps. The
    error of its mean is ``-rho (z + sigma s)``, so it needs the same squares as the integral. A
    draw is spent on one of them (`stored_bound.split_draw`). The integral over ``d(log rho) =
    g^2/(2 sigma^2) dt`` starts at eps. The noised points are functions of the process, so the
    gradient by f and g goes through them. Both ends of a schedule are charged: the first by the
    reconstruction, the last by the prior. With the dequantizer `Decoder`, q is its distribution
    over the levels. The metrics are these terms in nats per dimension.
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

    def terms(
        self, model: BoundModel, x0: Float[Array, "*D"], u: Scalar, keys: ExampleKeys
    ) -> dict[str, Scalar]:
        process, error = model.process, self.mean_error
        if self.variance_training and process.INSIDE:
            error = partial(train_inside_for_variance, error)
        log_rho = process.log_rho(self.eps)
        if isinstance(model.dequantizer, Decoder):  # it needs no network
            diffusion, rho = error(model, x0, jnp.array(False), u, keys.integrand), jnp.exp(log_rho)
            noised = x0 + rho * jax.random.normal(keys.reconstruction, x0.shape)
            reconstruction = -model.dequantizer.log_decoder(x0, noised, rho) / x0.size
        else:
            first, u = split_draw(u)
            drawn = error(model, x0, first, u, keys.integrand)
            diffusion, reconstruction = split_terms(first, drawn)
            reconstruction += sum_over(log_rho, x0) / x0.size + 0.5 * math.log(2 * math.pi)
        prior = prior_kl(process, x0) / x0.size
        return {"prior": prior, "diffusion": diffusion, "reconstruction": reconstruction}

    def mean_error(
        self,
        model: BoundModel,
        x0: Float[Array, "*D"],
        first: Bool[Array, ""],
        u: Scalar,
        key: jax.Array,
    ) -> Scalar:
        """Return ``int d(log rho) E||sigma s + z||^2 / d`` by one draw.

        If ``first``, return ``1/2 ||sigma s + z||^2 / d`` at eps, which the reconstruction needs.
        """
        t, inverse_density = self.proposal(model.process, self.eps, u)
        t = jnp.where(first, self.eps, t)
        half_squares = self.integrand.per_dimension(model, x0, t, key) + self.offset
        weight = jnp.where(first, 1.0, 2 * inverse_density * model.process.log_rho_rate(t))
        return jnp.mean(weight * half_squares)


def prior_kl(process: GaussianPath, x0: Float[Array, "*D"]) -> Scalar:
    """Return ``KL(N(alpha_T x0, sigma_T^2) || N(0, prior_std^2 I))`` in nats."""
    log_std = jnp.log(jnp.asarray(process.prior_std))
    log_ratio = 2 * (process.log_sigma(process.t_max) - log_std)
    signal = jnp.exp(2 * (process.log_alpha(process.t_max) - log_std))
    return 0.5 * jnp.sum(signal * x0**2 + (jnp.expm1(log_ratio) - log_ratio))
