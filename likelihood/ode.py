"""The instantaneous change of variables along the probability flow, by an adaptive solver."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from likelihood.base import LogProb, PriorLogProb, ScoreFn
from likelihood.divergence import Divergence
from sde_lib import SDE
from solvers import Flow, Solver


@dataclass(frozen=True)
class ODELikelihood:
    """``log p_eps(x) = log prior(x_T) + volume + int div`` (Song et al. 2021, eq. 39).

    The state and its log determinant are integrated together from eps to t_max; every example has
    its own steps. ``x`` is taken as the sample at eps: no noise is added to it. One log determinant
    is carried for each draw of the divergence; the estimate is their mean and the standard error
    their spread. ``prior_log_prob`` replaces the SDE's prior, in tests by the exact law of x_T.
    """

    solver: Solver
    flow: Flow
    divergence: Divergence
    eps: float
    prior_log_prob: PriorLogProb | None = None

    def __call__(
        self,
        sde: SDE,
        score_fn: ScoreFn,
        xs: Float[Array, "batch *D"],
        keys: jax.Array,
    ) -> LogProb:
        return jax.vmap(lambda x, key: self._one(sde, score_fn, x, key))(xs, keys)

    def _one(self, sde: SDE, score_fn: ScoreFn, x: Float[Array, "*D"], key: jax.Array) -> LogProb:
        probes = self.divergence.draw(key, x.shape)

        def field(coordinate, state):
            velocity = lambda y: self.flow.velocity(sde, score_fn, coordinate, y)  # noqa: E731
            return self.divergence(velocity, state[0], probes)

        start = self.flow.state(sde, x, self.eps)
        draws = jax.eval_shape(lambda y: field(self._coordinate(sde, self.eps), (y,))[1], start)
        solution = self.solver(
            field,
            (start, jnp.zeros(draws.shape, draws.dtype)),
            self._coordinate(sde, self.eps),
            self._coordinate(sde, sde.t_max),
        )
        end, integrals = solution.state
        latent = self.flow.data(sde, end, sde.t_max)
        parts = {
            "prior": (self.prior_log_prob or sde.prior_log_prob)(latent),
            "divergence": jnp.mean(integrals),
            "volume": x.size
            * (self.flow.log_volume(sde, sde.t_max) - self.flow.log_volume(sde, self.eps)),
        }
        return LogProb(
            nats=sum(parts.values(), start=jnp.zeros(())),
            standard_error=self.divergence.standard_error(integrals),
            parts=parts,
            latent=latent,
            nfe=solution.nfe,
            ok=solution.ok,
        )

    def _coordinate(self, sde: SDE, t) -> Float[Array, ""]:
        return self.flow.coordinate(sde, t)
