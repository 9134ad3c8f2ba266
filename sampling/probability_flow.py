"""The probability-flow ODE as a sampler, and as a map between data and latents."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.ode import ExponentialMultistep, Flow, LogRhoFlow, Solver
from gradlog.sampling.base import Sample
from gradlog.sampling.flow_density import Node, evaluate_node, flow_density
from gradlog.sampling.grid import check_log_prob
from gradlog.sampling.transitions import posterior_mean
from gradlog.sde_lib import SDE, Process


@dataclass(frozen=True)
class Encoding:
    """The flow from eps to t_max and from t_max to eps (Song et al. 2021, section 4.3, D.3).

    The datum x is the state at eps, so decoding inverts encoding to the solver's tolerance. A
    latent is a point of the prior. The encoding of an exact model depends on the process and not on
    the architecture.
    """

    solver: Solver
    flow: Flow
    eps: float

    @property
    def accepts(self) -> type[Process]:
        return self.flow.accepts

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

    With ``denoise`` the sample is the posterior mean at eps. With ``log_prob`` the sample has its
    density. Then the flow takes ``num_steps`` steps of `ExponentialMultistep`, even in log rho,
    whose nodes have one product each; ``solver`` and ``flow`` are not used.

    Raises:
      ValueError: ``log_prob`` is asked for with ``denoise``, or with fewer than eight steps.
    """

    solver: Solver
    flow: Flow
    eps: float
    denoise: bool = True
    log_prob: bool = False
    num_steps: int = 1000

    def __post_init__(self) -> None:
        if self.log_prob:
            check_log_prob(self.denoise, self.num_steps)

    @property
    def accepts(self) -> type[Process]:
        return SDE if self.log_prob else self.flow.accepts

    @property
    def evaluations(self) -> None:
        """None, since each sample takes its own steps."""

    def __call__(self, model: BoundModel, z: Float[Array, "*D"], key: jax.Array) -> Sample:
        if self.log_prob:
            return self._with_density(model, z, key)
        end = Encoding(self.solver, self.flow, self.eps).decode(model, z)
        if not self.denoise:
            return end
        x = posterior_mean(model, end.x, self.eps)
        return Sample(x, end.nfe + 1, end.ok)

    def _with_density(self, model: BoundModel, z: Float[Array, "*D"], key: jax.Array) -> Sample:
        process, flow = model.process, LogRhoFlow()
        high, low = (process.log_rho(t) for t in (process.t_max, self.eps))
        grid = jnp.linspace(high, low, self.num_steps + 1)

        def observe(number, y):
            t = process.time_of_log_rho(grid[number])
            node, _ = evaluate_node(model, y, t, jax.random.fold_in(key, number))
            return node.velocity, node

        path = ExponentialMultistep().path(
            lambda s, y: flow.velocity(model, s, y),
            flow.state(process, z, process.t_max),
            grid,
            observe,
        )
        # Of the corrected states; the velocities are those of the predicted ones.
        nodes: Node = replace(path.observed, y=path.state)
        x = flow.data(process, path.state[-1], self.eps)
        return Sample(x, path.nfe, path.ok, flow_density(model, z, nodes))
