"""The divergence along the probability flow by quadrature, at the nodes of its path.

The path does not depend on the divergence, so its solver needs no Jacobian. The divergence is only
evaluated at the nodes of a grid, with new probes at each node. So the errors at the nodes are
independent and average out, and their variance gives a standard error.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gradlog.likelihood.base import LogProb, PerExample, PriorLogProb
from gradlog.likelihood.divergences import Divergence
from gradlog.likelihood.ode import path_parts
from gradlog.likelihood.parts import DIVERGENCE, EPS
from gradlog.likelihood.probe_allocation import ProbeAllocation, Weights
from gradlog.likelihood.start import AS_SAMPLE, Start
from gradlog.models import BoundModel
from gradlog.ode import LogRhoFlow, Path, PathSolver

# (round, nodes of its calls) -> a trace for each draw of each call.
FurtherTraces = Callable[[Int[Array, ""], Int[Array, "2 nodes"]], Float[Array, "2 nodes draws"]]

# Gregory's weights at either end of an even grid, in units of its spacing; inside they are one.
_END_WEIGHTS = (3 / 8, 7 / 6, 23 / 24)
_LEAST_INTERVALS = 2 * len(_END_WEIGHTS) - 1


@dataclass(frozen=True)
class Quadrature(PerExample):
    """``log p_eps(x) = log prior(x_T) + volume + int div``, the integral by Gregory's rule.

    The path runs through ``intervals`` + 1 nodes, even in log rho; each is the end of a solver
    step. There the integrand is smooth: for the exact score it is ``d - tr Cov[x0 | y] / rho^2``.
    `ExponentialMultistep` needs one evaluation a node, which the first products bring along.
    ``discretization`` is the change of the sum from every other node to all nodes, plus that by the
    solver's corrections. It needs no further evaluations. In practice it is larger than the change
    by a finer grid.

    At every node the divergence has two calls, one for each half of the probes. If a call has
    several draws, a half whose standard error is still above ``standard_error`` (bits/dim, of the
    mean of both) gets up to ``rounds`` further rounds. A round has as many calls as there are
    nodes, each where it reduces the variance most; ``node_chunk`` of them are evaluated at once.

    ``refine`` marks an example for which the last corrections of the path change the result by
    more than ``tolerance`` (bits/dim). `tightened` evaluates it on twice the nodes.

    Raises:
      ValueError: ``intervals`` is odd, or below 10.
    """

    path: PathSolver
    node_divergence: Divergence
    eps: float
    intervals: int = 24
    tolerance: float = 0.01
    rounds: int = 8
    standard_error: float = 0.02
    node_chunk: int = 5
    start: Start = AS_SAMPLE
    prior_log_prob: PriorLogProb | None = None

    def __post_init__(self):
        least = 2 * _LEAST_INTERVALS
        if self.intervals % 2 or self.intervals < least:
            raise ValueError(f"intervals = {self.intervals} must be even and at least {least}")

    def tightened(self) -> "Quadrature":
        """Return the same estimator with twice the nodes and a tighter solver."""
        return replace(self, intervals=2 * self.intervals, path=self.path.tightened())

    def one(self, model: BoundModel, x: Float[Array, "*D"], key: jax.Array) -> LogProb:
        process = model.process
        start_key, probe_key = jax.random.split(key)
        x_eps, step = self.start(model, x, self.eps, start_key)
        flow = LogRhoFlow()
        field = partial(flow.velocity, model)
        low, high = (flow.coordinate(process, t) for t in (self.eps, process.t_max))
        grid = jnp.linspace(low, high, self.intervals + 1)
        weights = (high - low) * gregory(self.intervals)
        nodes = len(grid)

        def keys_of_round(index):
            return jax.random.split(jax.random.fold_in(probe_key, index), 2 * nodes)

        def evaluate(node, state, key):
            probes = self.node_divergence.draw(key, x.shape)
            return self.node_divergence(partial(field, grid[node]), state, probes)

        def observe(node, state):
            # Only the probes are mapped: both halves share the value, which is the velocity.
            keys = keys_of_round(0).reshape(2, nodes)[:, node]
            return jax.vmap(partial(evaluate, node, state), out_axes=(None, 0))(keys)

        path = self.path.path(field, flow.state(process, x_eps, self.eps), grid, observe)

        # Where the first round was: at corrected states the expectation would be another.
        evaluated = path.state if path.correction is None else path.state - path.correction

        def further_traces(index, where):
            calls = where.ravel(), evaluated[where.ravel()], keys_of_round(index)
            traces = jax.lax.map(lambda call: evaluate(*call)[1], calls, batch_size=self.node_chunk)
            return traces.reshape(2, nodes, -1)

        bits = x.size * math.log(2)
        first = jnp.swapaxes(path.observed, 0, 1)
        allocation, rounds = self._add_rounds(
            first, further_traces, weights, self.standard_error * bits
        )
        further = 2 * nodes * rounds
        calls = further + (2 if self.node_divergence.is_random else 1) * nodes
        latent = flow.data(process, path.state[-1], process.t_max)
        change = change_by_corrections(path, grid)
        return LogProb(
            parts=path_parts(process, flow, self.eps, latent, self.prior_log_prob)
            | {DIVERGENCE: jnp.vdot(weights, allocation.mean), EPS: step},
            errors={"probes": allocation.standard_error(weights)},
            discretization=jnp.vdot(weights - every_other(weights), allocation.mean) + change,
            latent=latent,
            nfe=path.nfe + self.start.nfe + further,
            jvps=calls * self.node_divergence.products(x.size),
            ok=path.ok,
            freedom=allocation.freedom(weights),
            refine=~(jnp.abs(change) <= self.tolerance * bits),
        )

    def _add_rounds(
        self,
        first: Float[Array, "2 nodes draws"],
        further_traces: FurtherTraces,
        weights: Weights,
        target: float,
    ) -> tuple[ProbeAllocation, Int[Array, ""]]:
        """Return the probes at all nodes, and the number of rounds after the first."""
        _, nodes, draws = first.shape
        everywhere = jnp.broadcast_to(jnp.arange(nodes), (2, nodes))
        if self.rounds == 0 or draws == 1:  # nothing is allocated, so the halves are one sample
            both = jnp.moveaxis(first, 0, 1).reshape(1, nodes, 2 * draws)
            return ProbeAllocation.empty(nodes, 1).add(everywhere[:1], both), jnp.asarray(0)

        def active(carry):
            allocation, index = carry
            return allocation.needs_more(weights, target) & (index <= self.rounds)

        def one_round(carry):
            allocation, index = carry
            where = allocation.allocate(weights, draws, nodes)
            after = allocation.add(where, further_traces(index, where))
            add = active(carry)[:, None]
            return jax.tree.map(
                lambda new, old: jnp.where(add, new, old), after, allocation
            ), index + 1

        begun = ProbeAllocation.empty(nodes).add(everywhere, first)
        allocation, index = jax.lax.while_loop(
            lambda carry: jnp.any(active(carry)), one_round, (begun, jnp.asarray(1))
        )
        return allocation, index - 1


def change_by_corrections(path: Path, grid: Float[Array, " nodes"]) -> Float[Array, ""]:
    """Return the change of ``log p`` in nats by the last corrections of the states of a path.

    The flow keeps the probability, so that a change e of the state at s changes the result by
    ``log p_s(y + e) - log p_s(y)``: by the score times e. The score of ``y = x/alpha`` is
    ``-(dy/ds) / rho^2``. It is zero for a solver without corrections.
    """
    if path.velocity is None:
        return jnp.zeros(())
    along = jnp.sum(path.velocity * path.correction, axis=range(1, path.velocity.ndim))
    return -jnp.sum(along * jnp.exp(-2 * grid))


def gregory(intervals: int) -> Float[np.ndarray, " nodes"]:
    """Return weights of Gregory's rule of order four on [0, 1], for ``intervals`` + 1 even nodes.

    This is the trapezoidal rule with differences at the ends (Hildebrand 1974, section 5.9). It is
    exact for cubics, and equals the trapezoidal rule for functions that are flat at both ends.
    """
    weights = np.ones(intervals + 1)
    weights[: len(_END_WEIGHTS)] = _END_WEIGHTS
    weights[-len(_END_WEIGHTS) :] = _END_WEIGHTS[::-1]
    return weights / intervals


def every_other(weights: Weights) -> Weights:
    """Return the same rule on every other node, zero between; for an even number of intervals."""
    intervals = len(weights) - 1
    span = weights.sum()
    return jnp.zeros(intervals + 1).at[::2].set(span * gregory(intervals // 2))
