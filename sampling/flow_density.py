"""The log density of a sample of the probability flow, from the evaluations that drew it.

A sampler that follows the flow goes through nodes from t_max to eps, and evaluates the score there.
A product with the Jacobian at each node gives a random estimate of the divergence, and the change
of variables the density of the sample, without a second solve (Song et al. 2021, arXiv:2011.13456,
eq. 39).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.tree_util import Partial
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.ode.multistep import adams_weights
from gradlog.ode.node_traces import cubic_weights, variance_of_integral
from gradlog.sampling.base import Density, Scalar

_NODES = 4  # of the interpolation between nodes


@struct.dataclass
class Node:
    """The numbers of a node that a density needs, with the state ``y = x/alpha``.

    Attributes:
      log_rho: the coordinate.
      y: the state.
      velocity: ``dy/d log rho``.
      diagonal: ``v * (J v)`` for random signs v, with J the Jacobian of the velocity.
    """

    log_rho: Scalar
    y: Float[Array, "*D"]
    velocity: Float[Array, "*D"]
    diagonal: Float[Array, "*D"]


def evaluate_node(
    model: BoundModel, y: Float[Array, "*D"], t: Scalar, key: jax.Array
) -> tuple[Node, Float[Array, "*D"]]:
    """Return a node at time t, and the score there."""
    process, signs = model.process, jax.random.rademacher(key, y.shape, y.dtype)
    alpha, sigma = process.alpha(t), process.sigma(t)
    score, product = jax.jvp(lambda x: model.score(x, t), (alpha * y,), (signs,))
    velocity, diagonal = -(sigma**2) / alpha * score, -(sigma**2) * signs * product
    return Node(process.log_rho(t), y, velocity, diagonal), score


def with_first_score(model: BoundModel, score: Float[Array, "*D"]) -> BoundModel:
    """Return the model for a step whose first evaluation, at its own point and time, is known."""
    known: list[Any] = [score]

    def score_fn(x, t):
        return known.pop() if known else model.score(x, t)

    return BoundModel(model.process, Partial(score_fn), model.dequantizer)


def flow_density(model: BoundModel, z: Float[Array, "*D"], nodes: Node) -> Density:
    """Return the density of the last of the nodes, which begin with z at t_max, in order.

    The integral of the divergence is that of the cubic through neighboring nodes. The steps of a
    sampler are less exact than this density: the difference e of a state to the end of a step with
    all neighboring nodes changes log p by the score times e, which is counted.
    ``Density.discretization`` is that change, and that of the integral by every other node.
    """
    process, grid = model.process, nodes.log_rho
    traces = jnp.sum(nodes.diagonal.reshape(len(grid), -1), axis=1)
    # From the data to t_max, as the integral is taken.
    weights = -cubic_weights(grid)
    half = np.unique(np.append(np.arange(0, len(grid), 2), len(grid) - 1))
    coarse = -cubic_weights(grid[half])
    variance, _ = variance_of_integral(nodes.diagonal, grid, weights)
    change = _change_by_steps(nodes)
    stretch = process.log_alpha(process.t_max) - process.log_alpha_of_log_rho(grid[-1])
    integral = jnp.vdot(weights, traces)
    return Density(
        nats=process.prior_log_prob(z) + z.size * stretch + integral + change,
        standard_error=jnp.sqrt(variance),
        discretization=integral - jnp.vdot(coarse, traces[half]) + change,
    )


def _change_by_steps(nodes: Node) -> Scalar:
    """Return the sum of ``score * e`` over the steps; the score of y is ``-velocity/rho^2``."""
    grid, targets = nodes.log_rho, nodes.y - nodes.velocity
    first = np.clip(np.arange(len(grid) - 1) - 1, 0, len(grid) - _NODES)
    near = first[:, None] + np.arange(_NODES)
    weights = adams_weights(grid[near], grid[:-1], grid[1:])
    spread = lambda numbers: numbers.reshape(-1, *(1 for _ in nodes.y.shape[1:]))  # noqa: E731
    ends = spread(jnp.exp(jnp.diff(grid))) * nodes.y[:-1]
    ends = ends - jnp.einsum("sj,sj...->s...", weights, targets[near])
    score = -nodes.velocity[1:] * spread(jnp.exp(-2 * grid[1:]))
    return jnp.sum(score * (nodes.y[1:] - ends))
