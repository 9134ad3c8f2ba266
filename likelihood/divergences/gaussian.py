"""Normal probes."""

from dataclasses import dataclass

import jax

from gradlog.likelihood.divergences.base import Probes
from gradlog.likelihood.divergences.hutchinson import Hutchinson


@dataclass(frozen=True)
class Gaussian(Hutchinson):
    """Normal probes, of variance ``2 ||S||_F^2`` (Grathwohl et al. 2019, arXiv:1810.01367)."""

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> Probes:
        return jax.random.normal(key, (self.probes, *shape))
