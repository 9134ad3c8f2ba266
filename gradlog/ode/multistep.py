"""An exponential multistep solver: one evaluation a node, and an estimate of its own error.

The probability flow in log rho is ``dy/ds = y - h(s, y)``, where h is the denoised datum (see
`flow.py`). The linear part is solved exactly, and h is a polynomial through several nodes. These
are the exponential Adams methods (Hochbruck & Ostermann 2010, doi:10.1017/S0962492910000048,
section 2.5). DEIS (Zhang & Chen 2023, arXiv:2204.13902) and DPM-Solver++ (Lu et al. 2022,
arXiv:2211.01095) sample by the predictor alone, UniPC (Zhao et al. 2023, arXiv:2302.04867) also
has a corrector.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gradlog.ode.solver import Observe, Path, VectorField

# Gauss-Legendre's rule on [0, 1], exact to float32 for a polynomial times an exponential.
_POINTS, _SHARES = np.polynomial.legendre.leggauss(10)
_POINTS, _SHARES = (_POINTS + 1) / 2, _SHARES / 2
# Of the classical Runge-Kutta method: where the later stages lie, and their weights.
_STAGES = np.array([[1 / 2, 1 / 3], [1 / 2, 1 / 3], [1, 1 / 6]], np.float32)
_FIRST_STAGE = 1 / 6
_LEAST_ORDER, _MOST_ORDER = 2, 6


@dataclass(frozen=True)
class ExponentialMultistep:
    """Predict through the last ``order`` nodes, evaluate there, correct through one node more.

    An evaluation at a prediction serves the correction and the next steps, so that a corrector
    costs nothing. The first ``order`` - 1 steps are of the classical Runge-Kutta method, with three
    further evaluations each. ``Path.correction`` is the difference of each corrected state to its
    prediction, where the field was evaluated.

    Raises:
      ValueError: ``order`` is not 2 to 6. Extrapolation through more nodes multiplies errors.
    """

    order: int = 4

    def __post_init__(self) -> None:
        if not _LEAST_ORDER <= self.order <= _MOST_ORDER:
            raise ValueError(f"order = {self.order} must be {_LEAST_ORDER} to {_MOST_ORDER}")

    def tightened(self) -> "ExponentialMultistep":
        """Return the solver itself: its error depends on the grid alone."""
        return self

    def path(
        self,
        field: VectorField,
        state: Float[Array, "*D"],
        grid: Float[Array, " nodes"],
        observe: Observe | None = None,
    ) -> Path:
        """Return the states at all nodes of a grid, which may be uneven; see `Solver.path`.

        The state is one array.

        Raises:
          ValueError: the grid has no more than ``order`` nodes.
        """
        order, nodes = self.order, len(grid)
        if nodes <= order:
            raise ValueError(f"{nodes} nodes are too few for order = {order}")
        # Nodes outside of the grid make all rows alike; no result depends on them.
        before = grid[0] - (grid[1] - grid[0]) * jnp.arange(order, 0, -1)
        extended = jnp.concatenate([before, grid, 2 * grid[-1:] - grid[-2:-1]])
        windows = jnp.stack([extended[i : i + order + 1] for i in range(nodes)])
        last, following = extended[order - 1 : -2], extended[order + 1 :]

        def body(carry, row):
            predicted, base, targets = carry
            node, start, stop, end, corrector, predictor = row
            velocity, observed = (
                observe(node, predicted) if observe else (field(stop, predicted), None)
            )
            targets = jnp.concatenate([targets[1:], (predicted - velocity)[None]])
            move = lambda y, length, weights, targets: (  # noqa: E731
                jnp.exp(length) * y - jnp.tensordot(weights, targets, 1)
            )
            corrected = move(base, stop - start, corrector, targets)
            y = jnp.where(node >= order, corrected, predicted)
            after = jax.lax.cond(
                node < order - 1,
                lambda: runge_kutta_step(field, stop, y, velocity, end - stop),
                lambda: move(y, end - stop, predictor, targets[1:]),
            )
            found = y, velocity, y - predicted, observed
            return (after, y, targets), found

        rows = (
            jnp.arange(nodes),
            *(last, grid, following),
            adams_weights(windows, last, grid),
            adams_weights(windows[:, 1:], grid, following),
        )
        start = state, state, jnp.zeros((order + 1, *state.shape), state.dtype)
        _, (states, velocities, corrections, observed) = jax.lax.scan(body, start, rows)
        return Path(
            state=states,
            nfe=jnp.asarray(nodes + (order - 1) * len(_STAGES)),
            ok=jnp.all(jnp.isfinite(states)),
            observed=observed,
            velocity=velocities,
            correction=corrections,
        )


def adams_weights(
    nodes: Float[Array, "steps order"],
    start: Float[Array, " steps"],
    stop: Float[Array, " steps"],
) -> Float[Array, "steps order"]:
    """Return ``int exp(stop - s) l_j(s) ds`` from start to stop, for Lagrange's l_j of nodes."""
    length = (stop - start)[:, None]
    # Explicitly: JAX may keep a NumPy constant in the precision in which it was used first.
    points, shares = (jnp.asarray(each, length.dtype) for each in (_POINTS, _SHARES))
    s = start[:, None] + length * points
    own = nodes[:, :, None, None]
    others = nodes[:, None, :, None]
    factors = jnp.where(
        jnp.eye(nodes.shape[1], dtype=bool)[None, :, :, None],
        1.0,
        (s[:, None, None, :] - others) / jnp.where(own == others, 1.0, own - others),
    )
    basis = jnp.prod(factors, axis=2)
    return jnp.einsum("sjp,sp->sj", basis, length * shares * jnp.exp(stop[:, None] - s))


def runge_kutta_step(
    field: VectorField,
    s: Float[Array, ""],
    y: Float[Array, "*D"],
    velocity: Float[Array, "*D"],
    length: Float[Array, ""],
) -> Float[Array, "*D"]:
    """Return the state after one step of the classical Runge-Kutta method.

    Args:
      field: the velocity.
      s, y: the coordinate and the state before the step.
      velocity: the velocity there.
      length: the length of the step.
    """

    def stage(carry, row):
        slope, total = carry
        place, weight = row
        slope = field(s + place * length, y + place * length * slope)
        return (slope, total + weight * slope), None

    first = velocity, _FIRST_STAGE * velocity
    return y + length * jax.lax.scan(stage, first, jnp.asarray(_STAGES))[0][1]
