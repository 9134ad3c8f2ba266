"""Annealed Langevin dynamics."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.sampling.chains import LangevinChain, published_steps
from gradlog.sde_lib import SDE


@dataclass(frozen=True)
class AnnealedLangevin(LangevinChain):
    """Langevin steps at each level of a geometric ladder, from the largest noise to eps.

    Song & Ermon 2019, arXiv:1907.05600, algorithm 1: ``x + a_i/2 s(x, sigma_i) + sqrt(a_i) z``
    with ``a_i = step_size sigma_i^2 / sigma_L^2``, ``steps_per_level`` times a level; rho and
    ``x/alpha`` stand for sigma and x where the process shrinks the data. The sizes depend on the
    level alone, so that a sample does not depend on its batch mates.

    A model that was trained on a ladder wants the same ``num_scales`` and eps here.

    Raises:
      ValueError: there are fewer than two levels.
    """

    num_scales: int = 10
    step_size: float = 2e-5
    steps_per_level: int = 100

    def __post_init__(self) -> None:
        if self.num_scales < 2:
            raise ValueError(f"num_scales must be at least 2, got {self.num_scales}")

    @property
    def chain_length(self) -> int:
        return self.num_scales * self.steps_per_level

    def schedule(self, process: SDE) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        levels = process.ladder(self.eps, self.num_scales)
        steps = published_steps(process, levels, self.eps, self.step_size)
        return jnp.repeat(levels, self.steps_per_level), jnp.repeat(steps, self.steps_per_level)
