"""Random signs."""

from dataclasses import dataclass

import jax

from gradlog.likelihood.divergences.base import Probes, random_signs
from gradlog.likelihood.divergences.hutchinson import Hutchinson


@dataclass(frozen=True)
class Rademacher(Hutchinson):
    """Random signs: the least variance that independent entries can have.

    Its variance is ``2 sum_{a != b} S_ab^2``.
    """

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> Probes:
        return random_signs(key, (self.probes, *shape))
