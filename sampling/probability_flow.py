"""The probability-flow ODE as a sampler, and as a map between data and latents."""

from dataclasses import dataclass
from typing import ClassVar

import jax
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.ode import Flow, Solver
from gradlog.sampling.base import Sample
from gradlog.sampling.transitions import posterior_mean
from gradlog.sde_lib import SDE, Process


@dataclass(frozen=True)
class Encoding:
    """The flow from eps to t_max and from t_max to eps (Song et al. 2021, section 4.3, D.3).

    The datum x is the state at eps, so decoding inverts encoding to the solver's tolerance. A
    latent is a point of the prior. The encoding of an exact model depends on the process and not on
    the architecture.
    """

    accepts: ClassVar[type[Process]] = SDE

    solver: Solver
    flow: Flow
    eps: float

    def encode(self, model: BoundModel, x: Float[Array, "*D"]) -> Sample:
        """Return the state at t_max of the flow that is at x at time eps."""
        return self._carry(model, x, self.eps, model.process.t_max)

    def decode(self, model: BoundModel, z: Float[Array, "*D"]) -> Sample:
        """Return the state at eps of the flow that is at z at time t_max."""
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


@dataclass(frozen=True)
class ProbabilityFlow:
    """Solve the flow from t_max to eps (Song et al. 2021, section 4.3): z determines the sample.

    With ``denoise`` the sample is the posterior mean at eps.
    """

    accepts: ClassVar[type[Process]] = SDE

    solver: Solver
    flow: Flow
    eps: float
    denoise: bool = True

    @property
    def evaluations(self) -> None:
        """None, since each sample takes its own steps."""

    def __call__(self, model: BoundModel, z: Float[Array, "*D"], key: jax.Array) -> Sample:
        del key
        end = Encoding(self.solver, self.flow, self.eps).decode(model, z)
        if not self.denoise:
            return end
        x = posterior_mean(model, end.x, self.eps)
        return Sample(x, end.nfe + 1, end.ok)
