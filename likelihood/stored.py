"""From data as stored to a likelihood: how many points of the model's space stand for a datum."""

from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Num

from likelihood.base import Likelihood, LogProb, ScoreFn
from likelihood.dequantisation import Dequantisation
from sde_lib import SDE


class StoredLikelihood(Protocol):
    """Log probability of stored data, less the unit offset; the keys belong to the examples.

    Its parts have the dequantisation's ``-log q(u)`` among them.
    """

    def __call__(
        self,
        sde: SDE,
        score_fn: ScoreFn,
        dequantisation: Dequantisation,
        xs: Num[Array, "batch *D"],
        keys: jax.Array,
    ) -> LogProb: ...


@dataclass(frozen=True)
class OneDraw:
    """``log p(x(u)) - log q(u)`` at one draw of u: a lower bound on average (Theis et al. 2016)."""

    likelihood: Likelihood

    def __call__(
        self,
        sde: SDE,
        score_fn: ScoreFn,
        dequantisation: Dequantisation,
        xs: Num[Array, "batch *D"],
        keys: jax.Array,
    ) -> LogProb:
        # Never one key for both: a random sign is a bit of the uniform draw.
        draw_keys, likelihood_keys = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
        points, log_q = jax.vmap(dequantisation)(draw_keys, xs)
        found = self.likelihood(sde, score_fn, points, likelihood_keys)
        return found.replace(parts=found.parts | {"dequantisation": -log_q})
