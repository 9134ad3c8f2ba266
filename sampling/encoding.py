"""From a datum to its latent and back, by the probability flow."""

from dataclasses import dataclass

from jaxtyping import Array, Float

from gradlog.ode import Flow, Solver
from gradlog.sampling.base import Sample, ScoreFn
from gradlog.sde_lib import SDE


@dataclass(frozen=True)
class Encoding:
    """The flow from eps to t_max and from t_max to eps (Song et al. 2021, section 4.3, D.3).

    x is taken as it is for the state at eps, so that decoding inverts encoding, to the solver's
    tolerance; a latent is a point of the prior. The encoding of a model that is exact does not
    depend on its architecture: it is the process's.
    """

    solver: Solver
    flow: Flow
    eps: float

    def encode(self, sde: SDE, score_fn: ScoreFn, x: Float[Array, "*D"]) -> Sample:
        """The state at t_max of the flow that is at x at eps."""
        return self._carry(sde, score_fn, x, self.eps, sde.t_max)

    def decode(self, sde: SDE, score_fn: ScoreFn, z: Float[Array, "*D"]) -> Sample:
        """The state at eps of the flow that is at z at t_max."""
        return self._carry(sde, score_fn, z, sde.t_max, self.eps)

    def _carry(self, sde: SDE, score_fn: ScoreFn, x: Float[Array, "*D"], start, stop) -> Sample:
        solution = self.solver(
            lambda coordinate, y: self.flow.velocity(sde, score_fn, coordinate, y),
            self.flow.state(sde, x, start),
            self.flow.coordinate(sde, start),
            self.flow.coordinate(sde, stop),
        )
        return Sample(self.flow.data(sde, solution.state, stop), solution.nfe, solution.ok)
