"""Sampling by the probability-flow ODE."""

from dataclasses import dataclass

import jax
from jaxtyping import Array, Float

from sampling.base import Sample, ScoreFn
from sde_lib import SDE
from solvers import Flow, Solver


@dataclass(frozen=True)
class ProbabilityFlow:
    """Solves the flow from t_max to eps (Song et al. 2021, section 4.3): z decides the sample.

    With ``denoise`` the end is replaced by the posterior mean ``(x + sigma^2 s)/alpha`` at eps.
    """

    solver: Solver
    flow: Flow
    eps: float
    denoise: bool = True

    def __call__(
        self, sde: SDE, score_fn: ScoreFn, z: Float[Array, "*D"], key: jax.Array
    ) -> Sample:
        del key
        solution = self.solver(
            lambda coordinate, y: self.flow.velocity(sde, score_fn, coordinate, y),
            self.flow.state(sde, z, sde.t_max),
            self.flow.coordinate(sde, sde.t_max),
            self.flow.coordinate(sde, self.eps),
        )
        x = self.flow.data(sde, solution.state, self.eps)
        if not self.denoise:
            return Sample(x, solution.nfe, solution.ok)
        mean = (x + sde.sigma(self.eps) ** 2 * score_fn(x, self.eps)) / sde.alpha(self.eps)
        return Sample(mean, solution.nfe + 1, solution.ok)
