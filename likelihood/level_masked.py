"""A lower bound on the log probability by masks with a rate for each token."""

from dataclasses import dataclass

import jax
from jaxtyping import Array, Float, Int

from gradlog.likelihood.masked import TOKENS, StratifiedBound
from gradlog.losses import clip_time, masked_cost
from gradlog.models import BoundModel
from gradlog.sde_lib import LevelMasking


@dataclass(frozen=True)
class LevelBound(StratifiedBound):
    """Minus the cost of the reverse of `LevelMasking`, over all times; the prior costs nothing."""

    accepts = LevelMasking
    PART, SOURCE = TOKENS, "masks"

    def draw(
        self, model: BoundModel, x: Int[Array, "*D"], u: Float[Array, ""], key: jax.Array
    ) -> Float[Array, ""]:
        t = clip_time(u)
        return masked_cost(model, x, model.process.perturb(x, t, key), t)
