"""From a datum to its latent and back, by the probability flow."""

from dataclasses import dataclass

from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.ode import Flow, Solver
from gradlog.sampling.base import Sample


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

    def encode(self, model: BoundModel, x: Float[Array, "*D"]) -> Sample:
        """The state at t_max of the flow that is at x at eps."""
        return self._carry(model, x, self.eps, model.process.t_max)

    def decode(self, model: BoundModel, z: Float[Array, "*D"]) -> Sample:
        """The state at eps of the flow that is at z at t_max."""
        return self._carry(model, z, model.process.t_max, self.eps)

    def _carry(self, model: BoundModel, x: Float[Array, "*D"], start, stop) -> Sample:
        process = model.process
        solution = self.solver(
            lambda coordinate, y: self.flow.velocity(model, coordinate, y),
            self.flow.state(process, x, start),
            self.flow.coordinate(process, start),
            self.flow.coordinate(process, stop),
        )
        return Sample(self.flow.data(process, solution.state, stop), solution.nfe, solution.ok)
