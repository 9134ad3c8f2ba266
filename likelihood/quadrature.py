"""The probability flow first, then the divergence along it by quadrature.

The path does not depend on the divergence, so it needs no Jacobian. The divergence is evaluated
afterwards at the nodes of a grid, many nodes at once, with new probes at each node. So the errors
at the nodes are independent and average out, and their variance gives a standard error.
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
from gradlog.ode import LogRhoFlow, Solver

# (node, key) -> one trace for each draw of the divergence.
TracesAt = Callable[[Int[Array, ""], jax.Array], Float[Array, " draws"]]

# Gregory's weights at either end of an even grid, in units of its spacing; inside they are one.
_END_WEIGHTS = (3 / 8, 7 / 6, 23 / 24)
_LEAST_INTERVALS = 2 * len(_END_WEIGHTS) - 1


@dataclass(frozen=True)
class Quadrature(PerExample):
    """``log p_eps(x) = log prior(x_T) + volume + int div``, the integral by Gregory's rule.

    The path runs through ``intervals`` + 1 nodes, even in log rho; each is the end of a solver
    step. There the integrand is smooth: for the exact score it is ``d - tr Cov[x0 | y] / rho^2``.
    ``discretization`` is the change of the sum from every other node to all nodes. It needs no
    further evaluations, and in practice bounds the change by a finer grid.

    Every node has two calls of the divergence, with all its draws, one for each half. A half whose
    standard error is still above ``standard_error`` (bits/dim, of the mean of both) gets up to
    ``rounds`` further rounds. A round has as many calls as there are nodes, each where it reduces
    the variance most. ``node_chunk`` calls are evaluated at once.

    Raises:
      ValueError: ``intervals`` is odd, or below 10.
    """

    solver: Solver
    node_divergence: Divergence
    eps: float
    intervals: int = 24
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
        return replace(self, intervals=2 * self.intervals, solver=self.solver.tightened())

    def one(self, model: BoundModel, x: Float[Array, "*D"], key: jax.Array) -> LogProb:
        process = model.process
        start_key, probe_key = jax.random.split(key)
        x_eps, step = self.start(model, x, self.eps, start_key)
        flow = LogRhoFlow()
        field = partial(flow.velocity, model)
        low, high = (flow.coordinate(process, t) for t in (self.eps, process.t_max))
        grid = jnp.linspace(low, high, self.intervals + 1)
        path = self.solver.path(field, flow.state(process, x_eps, self.eps), grid)

        def traces_at(node, draw_key):
            probes = self.node_divergence.draw(draw_key, x.shape)
            return self.node_divergence(partial(field, grid[node]), path.state[node], probes)[1]

        # NaN if one random draw per call leaves its error unknown, else zero
        draws = jax.eval_shape(traces_at, jnp.asarray(0), key).shape
        unknown = self.node_divergence.variance_of_mean(jnp.zeros(draws))
        weights = (high - low) * gregory(self.intervals)
        allocation, calls = self._sample(traces_at, weights, probe_key, x.size)
        latent = flow.data(process, path.state[-1], process.t_max)
        return LogProb(
            parts=path_parts(process, flow, self.eps, latent, self.prior_log_prob)
            | {DIVERGENCE: jnp.vdot(weights, allocation.mean), EPS: step},
            errors={"probes": allocation.standard_error(weights) + unknown},
            discretization=jnp.vdot(weights - every_other(weights), allocation.mean),
            latent=latent,
            nfe=path.nfe + self.start.nfe + calls,
            jvps=calls * self.node_divergence.products(x.size),
            ok=path.ok,
            freedom=allocation.freedom(weights),
        )

    def _sample(self, traces_at: TracesAt, weights: Weights, key: jax.Array, dims: int):
        """Return the probes at all nodes, and the number of calls."""
        nodes = len(weights)
        draws = jax.eval_shape(traces_at, jnp.asarray(0), key).size
        target = self.standard_error * dims * math.log(2)
        everywhere = jnp.broadcast_to(jnp.arange(nodes), (2, nodes))

        def call(index, which):
            keys = jax.random.split(jax.random.fold_in(key, index), 2 * nodes)
            calls = (which.ravel(), keys)
            traces = jax.lax.map(lambda call: traces_at(*call), calls, batch_size=self.node_chunk)
            return traces.reshape(2, nodes, draws)

        def active(carry):
            allocation, index = carry
            return (index == 0) | (allocation.needs_more(weights, target) & (index <= self.rounds))

        def one_round(carry):
            allocation, index = carry
            which = jnp.where(index == 0, everywhere, allocation.allocate(weights, draws, nodes))
            after = allocation.add(which, call(index, which))
            add = active(carry)[:, None]
            return jax.tree.map(
                lambda new, old: jnp.where(add, new, old), after, allocation
            ), index + 1

        first = (ProbeAllocation.empty(nodes), jnp.asarray(0))
        if self.rounds == 0:  # a while loop would have no gradient
            return first[0].add(everywhere, call(0, everywhere)), jnp.asarray(2 * nodes)
        allocation, rounds = jax.lax.while_loop(
            lambda carry: jnp.any(active(carry)), one_round, first
        )
        return allocation, rounds * 2 * nodes


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
