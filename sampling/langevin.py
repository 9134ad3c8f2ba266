"""Langevin dynamics at one noise level."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.sampling.chains import LangevinChain
from gradlog.sde_lib import SDE


@dataclass(frozen=True)
class LangevinDynamics(LangevinChain):
    """``x + a/2 s(x, eps) + sqrt(a) z``, unadjusted, at the level eps alone; ``a = step_size``.

    Song & Ermon 2019, arXiv:1907.05600, eq. 4, in ``x/alpha``. Where modes are far apart the score
    does not know their weights: each keeps the share of the starts that are nearest to it.

    The law of the chain is not quite p_eps: of a Gaussian of variance v it has ``v/(1 - a/(4v))``.
    """

    step_size: float = 2e-5
    langevin_steps: int = 1000

    @property
    def chain_length(self) -> int:
        return self.langevin_steps

    def schedule(self, process: SDE) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        del process
        shape = (self.langevin_steps,)
        return jnp.full(shape, self.eps), jnp.full(shape, self.step_size)
