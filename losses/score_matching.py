"""Score matching over all noise levels."""

from dataclasses import dataclass, field
from typing import ClassVar

import jax
from jaxtyping import Array, Float, Int, Num

from gradlog.losses.base import Integrand, Loss
from gradlog.losses.random_keys import example_keys
from gradlog.losses.scalings import Integral, Scaling
from gradlog.losses.times import TimeProposal
from gradlog.losses.weightings import Weighting
from gradlog.models import BoundModel
from gradlog.sde_lib import SDE, Process


@dataclass(frozen=True)
class ScoreMatching:
    """``J(lambda) / d = 1/(2d) int_eps^T lambda(t) E||s - grad log p_t||^2 dt`` by Monte Carlo.

    The loss is in nats per dimension, up to the constant of the integrand and times the factor of
    the scaling. With the likelihood weighting it is the part of the bound on bits/dim that depends
    on the parameters (Song et al. 2021, arXiv:2101.09258, theorem 1).

    >>> import jax, jax.numpy as jnp
    >>> from gradlog.distributions import Gaussian
    >>> from gradlog.losses import ExplicitScoreMatching, Sigma2, UniformTime
    >>> from gradlog.models import BoundModel
    >>> from gradlog.sde_lib import VP
    >>> data = Gaussian(mean=jnp.zeros(2), std=jnp.ones(2))
    >>> model = BoundModel(VP(), data.score_fn(VP()))
    >>> objective = ScoreMatching(ExplicitScoreMatching(data), Sigma2(), UniformTime(), eps=1e-3)
    >>> x, u = jnp.array([0.5, -1.0]), jnp.array(0.3)
    >>> float(objective(model, x, u, jax.random.key(0)).value)  # the score is exact
    0.0

    Attributes:
      integrand: score matching at one noise level.
      weighting: ``lambda / sigma^2`` over time.
      proposal: the distribution of the times of the examples.
      eps: the smallest time.
      scaling: a constant factor of the loss.
    """

    accepts: ClassVar[type[Process]] = SDE

    integrand: Integrand
    weighting: Weighting
    proposal: TimeProposal
    eps: float
    scaling: Scaling = field(default_factory=Integral)

    def __call__(
        self,
        model: BoundModel,
        x: Num[Array, "*D"],
        u: Float[Array, ""],
        key: jax.Array,
        condition: Int[Array, ""] | None = None,
    ) -> Loss:
        """Return the loss of the stored example x at the time that u selects."""
        keys = example_keys(key)
        x0, _ = model.dequantize(keys.dequantization, x)
        # Without log q the loss says nothing about the dequantizer: it trains the score alone.
        x0 = jax.lax.stop_gradient(x0)
        value = self.at_point(model.conditioned(condition), x0, u, keys.integrand)
        return Loss(value, {})

    def at_point(
        self, model: BoundModel, x0: Float[Array, "*D"], u: Float[Array, ""], key: jax.Array
    ) -> Float[Array, ""]:
        """Return the loss of a point of the model's space at the time that u selects."""
        process = model.process
        t, inverse_density = self.proposal(process, self.eps, u)
        integrand = self.integrand(model, x0, t, key)
        integral = self.weighting(process, t) * inverse_density * integrand / x0.size
        scale = self.scaling(process, self.weighting, self.proposal, self.eps, x0.size)
        return integral * scale
