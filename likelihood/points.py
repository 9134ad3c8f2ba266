"""Where in the model's space levels lie when nothing is added to them: for training alone.

A density has no value for such a point: likelihoods dequantize (`likelihood.dequantization`).
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from gradlog.likelihood.dequantization import Levels


@dataclass(frozen=True)
class Scaled(Levels):
    """``k / (levels - 1)``, spread over [-1, 1] or [0, 1], whose ends are levels.

    What score_sde trains on, as it sets ``uniform_dequantization = False``.
    """

    @property
    def log_scale(self) -> float:
        return math.log((self.levels - 1) / self._width)

    def __call__(self, key: jax.Array, x: Num[Array, "*D"]):
        del key
        return self._low + self._width * (x / (self.levels - 1)), jnp.zeros(())

    def stored(self, x: Float[Array, "*D"]) -> Num[Array, "*D"]:
        """The nearest level; score_sde takes the next lower one."""
        return self._as_level(jnp.round((x - self._low) / self._width * (self.levels - 1)))


@dataclass(frozen=True)
class Centers(Levels):
    """``(k + 1/2) / levels``, spread over [-1, 1] or [0, 1]: the middle of each level's bin.

    What VDM trains on (Kingma et al. 2021, arXiv:2107.00630): beside its noise at t = 0 the data
    are not dequantized.
    """

    @property
    def log_scale(self) -> float:
        return math.log(self.levels / self._width)

    def __call__(self, key: jax.Array, x: Num[Array, "*D"]):
        del key
        return self._low + self._width * (x + 0.5) / self.levels, jnp.zeros(())

    def stored(self, x: Float[Array, "*D"]) -> Num[Array, "*D"]:
        return self._level_at(x)
