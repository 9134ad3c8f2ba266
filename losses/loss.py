"""The training loss of one example: an objective, a weighting and a draw of time."""

from dataclasses import dataclass, field
from typing import Any

import jax
from jaxtyping import Array, Float

from losses.base import Objective
from losses.scalings import Integral, Scaling
from losses.times import TimeProposal
from losses.weightings import Weighting
from models import ScoreModel
from sde_lib import SDE


@dataclass(frozen=True)
class ScoreMatchingLoss:
    """``J(lambda) / d = 1/(2d) int_eps^T lambda(t) E||s - grad log p_t||^2 dt`` by Monte Carlo.

    In nats per dimension, up to the objective's constant, and times the scaling's factor. With the
    likelihood weighting it is the part of the bound on bits/dim that training can change (Song et
    al. 2021, theorem 1).
    """

    sde: SDE
    model: ScoreModel
    objective: Objective
    weighting: Weighting
    proposal: TimeProposal
    eps: float
    scaling: Scaling = field(default_factory=Integral)

    def __call__(
        self,
        params: Any,
        x0: Float[Array, "*D"],
        u: Float[Array, ""],
        key: jax.Array,
        *,
        train: bool,
    ) -> Float[Array, ""]:
        """The loss of x0 at the time that u in [0, 1) selects."""
        objective_key, dropout_key = jax.random.split(key)
        t, inverse_density = self.proposal(self.sde, self.eps, u)
        score_fn = self.model.score_fn(self.sde, params, dropout_key=dropout_key if train else None)
        integrand = self.objective(self.sde, score_fn, x0, t, objective_key)
        integral = self.weighting(self.sde, t) * inverse_density * integrand / x0.size
        return integral * self.scaling(self.sde, self.weighting, self.proposal, self.eps, x0.size)
