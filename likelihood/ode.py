"""The instantaneous change of variables along the probability flow, by an adaptive solver."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.likelihood.base import LogProb, PerExample, PriorLogProb
from gradlog.likelihood.divergences import Divergence
from gradlog.likelihood.parts import DIVERGENCE, EPS, PRIOR, VOLUME, Part
from gradlog.likelihood.start import AS_SAMPLE, Start
from gradlog.models import BoundModel
from gradlog.ode import Flow, Solver
from gradlog.sde_lib import GaussianPath, Process, sum_over


@dataclass(frozen=True)
class ODELikelihood(PerExample):
    """``log p_eps(x) = log prior(x_T) + volume + int div`` (Song et al. 2021, eq. 39).

    The state and its log determinant are integrated together from eps to t_max; every example has
    its own steps. Each draw of the divergence has its own log determinant: their mean is the
    estimate, and their spread gives the standard error. ``prior_log_prob`` replaces the prior of
    the process; tests use the exact density of x_T. `LogProb` has an example.
    """

    solver: Solver
    flow: Flow
    divergence: Divergence
    eps: float
    start: Start = AS_SAMPLE
    prior_log_prob: PriorLogProb | None = None

    @property
    def accepts(self) -> type[Process]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.flow.accepts

    def tightened(self) -> "ODELikelihood":
        """Return the same estimator with a tighter solver."""
        return replace(self, solver=self.solver.tightened())

    def one(self, model: BoundModel, x: Float[Array, "*D"], key: jax.Array) -> LogProb:
        process = model.process
        start_key, probe_key = jax.random.split(key)
        x_eps, step = self.start(model, x, self.eps, start_key)
        probes = self.divergence.draw(probe_key, x.shape)

        def field(coordinate, state):
            velocity = lambda y: self.flow.velocity(model, coordinate, y)  # noqa: E731
            return self.divergence(velocity, state[0], probes)

        low, high = (self.flow.coordinate(process, t) for t in (self.eps, process.t_max))
        state = self.flow.state(process, x_eps, self.eps)
        draws = jax.eval_shape(lambda y: field(low, (y,))[1], state)
        solution = self.solver(field, (state, jnp.zeros(draws.shape, draws.dtype)), low, high)
        end, integrals = solution.state
        latent = self.flow.data(process, end, process.t_max)
        return LogProb(
            parts=path_parts(process, self.flow, self.eps, latent, self.prior_log_prob)
            | {DIVERGENCE: jnp.mean(integrals), EPS: step},
            errors={"probes": jnp.sqrt(self.divergence.variance_of_mean(integrals))},
            discretization=jnp.asarray(jnp.nan),
            latent=latent,
            nfe=solution.nfe + self.start.nfe,
            jvps=solution.nfe * self.divergence.products(x.size),
            ok=solution.ok,
            freedom=jnp.asarray(integrals.size - 1.0 if integrals.size > 1 else jnp.inf),
        )


def path_parts(
    process: GaussianPath,
    flow: Flow,
    eps: float,
    latent: Float[Array, "*D"],
    prior_log_prob: PriorLogProb | None,
) -> dict[Part, Float[Array, ""]]:
    """Return the terms of the ends of a path: the prior's density and the volume change."""
    stretch = flow.log_volume(process, process.t_max) - flow.log_volume(process, eps)
    return {
        PRIOR: (prior_log_prob or process.prior_log_prob)(latent),
        VOLUME: sum_over(stretch, latent),
    }
