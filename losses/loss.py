"""The training loss of one example: an objective, a weighting and a draw of time."""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gradlog.losses.base import Objective
from gradlog.losses.scalings import Integral, Scaling
from gradlog.losses.times import TimeProposal
from gradlog.losses.weightings import Weighting
from gradlog.models import ScoreModel
from gradlog.sde_lib import SDE

_DROPOUT = 0xC1A55  # the address of its key, beside those of a split: they stay what they are


@dataclass(frozen=True)
class ScoreMatchingLoss:
    """``J(lambda) / d = 1/(2d) int_eps^T lambda(t) E||s - grad log p_t||^2 dt`` by Monte Carlo.

    In nats per dimension, up to the objective's constant, and times the scaling's factor. With the
    likelihood weighting it is the part of the bound on bits/dim that training can change (Song et
    al. 2021, theorem 1).

    Of a class-conditional model the score is that of the example's class, and in training, with
    probability ``class_dropout``, that of no class: one network learns both (Ho & Salimans 2022,
    arXiv:2207.12598, algorithm 1).
    """

    sde: SDE
    model: ScoreModel
    objective: Objective
    weighting: Weighting
    proposal: TimeProposal
    eps: float
    scaling: Scaling = field(default_factory=Integral)
    class_dropout: float = 0.0

    def __call__(
        self,
        params: Any,
        x0: Float[Array, "*D"],
        u: Float[Array, ""],
        key: jax.Array,
        *,
        train: bool,
        condition: Int[Array, ""] | None = None,
    ) -> Float[Array, ""]:
        """The loss of x0, of class ``condition``, at the time that u in [0, 1) selects."""
        objective_key, dropout_key = jax.random.split(key)
        t, inverse_density = self.proposal(self.sde, self.eps, u)
        told = {} if condition is None else {"condition": self._dropped(condition, key, train)}
        score_fn = self.model.score_fn(
            self.sde, params, dropout_key=dropout_key if train else None, **told
        )
        integrand = self.objective(self.sde, score_fn, x0, t, objective_key)
        integral = self.weighting(self.sde, t) * inverse_density * integrand / x0.size
        return integral * self.scaling(self.sde, self.weighting, self.proposal, self.eps, x0.size)

    def _dropped(self, condition: Int[Array, ""], key: jax.Array, train: bool) -> Int[Array, ""]:
        """The class, or in its place now and then the index that stands for none."""
        if not train:
            return condition
        dropped = jax.random.bernoulli(jax.random.fold_in(key, _DROPOUT), self.class_dropout)
        return jnp.where(dropped, self.model.num_classes, condition)
