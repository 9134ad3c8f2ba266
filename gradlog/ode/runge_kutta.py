"""Runge-Kutta solvers, adaptive and with fixed steps, by diffrax.

An adjoint says how a solution is differentiated in reverse. ``checkpoint`` differentiates the
solver's own steps, recomputed from a few stored ones (Griewank & Walther 2000, algorithm 799;
diffrax's default). It is exact for the computed numbers. ``direct`` does the same through bounded
loops, which also allows forward mode; its cost grows with ``max_steps``. ``backsolve`` solves the
adjoint equations backwards from the end (Chen et al. 2018, arXiv:1806.07366). Its memory does not
grow with the steps, and its gradients have the solver's tolerance.
"""

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from etils import epy
from jaxtyping import Array, Float

with epy.lazy_imports():  # together they take 0.7 s, which a finished result need not wait for
    import diffrax
    import optimistix

from gradlog.ode.solver import Coordinate, Observe, Path, Solution, State, VectorField

# By name, that of the class in diffrax.
ADJOINTS = {
    "backsolve": "BacksolveAdjoint",
    "checkpoint": "RecursiveCheckpointAdjoint",
    "direct": "DirectAdjoint",
}

# Tsit5 has seven stages. The last is the first of the next step, so the first step has one more.
_EVALUATIONS_PER_STEP = 6
_EVALUATIONS_TO_START = 1
# As a share of the interval. It is set because diffrax's own choice costs evaluations.
_FIRST_STEP = 0.01


def _solve(
    field,
    state,
    start,
    stop,
    first_step,
    controller,
    max_steps,
    saved=None,
    adjoint="checkpoint",
) -> "diffrax.Solution":
    values = ()
    if adjoint == "backsolve":
        # It differentiates by the start and by arguments only. Make arguments of the traced values
        # that the field closes over, such as a network's parameters.
        field, values = jax.closure_convert(field, jnp.asarray(start, float), state)
    with _checks_without_callbacks():
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda s, y, args: field(s, y, *args)),  # pyright: ignore[reportArgumentType]
            diffrax.Tsit5(),
            t0=start,
            t1=stop,
            dt0=first_step,
            y0=state,
            args=values,
            stepsize_controller=controller,
            max_steps=max_steps,
            saveat=saved or diffrax.SaveAt(t1=True),
            adjoint=getattr(diffrax, ADJOINTS[adjoint])(),
            throw=False,
        )


@contextlib.contextmanager
def _checks_without_callbacks() -> Iterator[None]:
    """Trace diffrax's checks of times and steps so that a failure makes the result NaN.

    By default they call back to Python, and JAX neither exports a program with a callback nor
    stores it in its compilation cache. The environment variable EQX_ON_ERROR=nan does the same for
    the whole process; the command line sets it, and a library must not. Only the gradient of the
    adjoint "backsolve" still needs it: JAX traces its second solve after this one.
    """
    import equinox.internal

    error_if = equinox.internal.error_if
    equinox.internal.error_if = functools.partial(error_if, on_error="nan")
    try:
        yield
    finally:
        equinox.internal.error_if = error_if


def _at_end(solved: "diffrax.Solution") -> Solution:
    return _solution(solved, jax.tree.map(lambda leaf: leaf[0], solved.ys))


def _solution(solved: "diffrax.Solution", state: State) -> Solution:
    finite = jax.tree.reduce(lambda ok, leaf: ok & jnp.all(jnp.isfinite(leaf)), state, True)
    return Solution(
        state=state,
        nfe=_EVALUATIONS_PER_STEP * solved.stats["num_steps"] + _EVALUATIONS_TO_START,
        ok=finite & (solved.result == diffrax.RESULTS.successful),
    )


def _path(solution: Solution, observe: Observe | None) -> Path:
    """Observe the nodes of a path, one after the other: stages lie elsewhere."""
    if observe is None:
        return Path(solution.state, solution.nfe, solution.ok)
    nodes = jnp.arange(len(jax.tree.leaves(solution.state)[0]))
    observed = jax.lax.map(lambda each: observe(*each)[1], (nodes, solution.state))
    return Path(solution.state, solution.nfe + len(nodes), solution.ok, observed)


@dataclass(frozen=True)
class Adaptive:
    """Tsitouras' 5(4) pair, with a PI controller on the largest scaled error of the parts.

    Under ``vmap`` every example has its own steps. An example that needs more than ``max_steps``
    ends with ``ok = False``. ``adjoint`` is a key of ``ADJOINTS``.

    Raises:
      ValueError: the adjoint is unknown.
    """

    rtol: float
    atol: float
    max_steps: int = 4096
    adjoint: str = "checkpoint"

    def __post_init__(self) -> None:
        if self.adjoint not in ADJOINTS:
            raise ValueError(
                f"adjoint = {self.adjoint!r} is unknown; choose one of {sorted(ADJOINTS)}"
            )

    def __call__(
        self, field: VectorField, state: State, start: Coordinate, stop: Coordinate
    ) -> Solution:
        first = _FIRST_STEP * (stop - start)
        return _at_end(self._run(field, state, start, stop, first, self._controller()))

    def path(
        self,
        field: VectorField,
        state: State,
        grid: Float[Array, " nodes"],
        observe: Observe | None = None,
    ) -> Path:
        controller = diffrax.ClipStepSizeController(self._controller(), step_ts=grid[1:-1])
        first, saved = grid[1] - grid[0], diffrax.SaveAt(ts=grid)
        solved = self._run(field, state, grid[0], grid[-1], first, controller, saved)
        return _path(_solution(solved, solved.ys), observe)

    def _run(self, field, state, start, stop, first, controller, saved=None) -> "diffrax.Solution":
        return _solve(
            field, state, start, stop, first, controller, self.max_steps, saved, self.adjoint
        )

    def tightened(self) -> "Adaptive":
        """Return a solver with a tenth of the tolerances."""
        return replace(self, rtol=self.rtol / 10, atol=self.atol / 10)

    def _controller(self) -> "diffrax.AbstractAdaptiveStepSizeController":
        return diffrax.PIDController(
            rtol=self.rtol, atol=self.atol, pcoeff=0.3, icoeff=0.4, norm=largest_rms
        )


def largest_rms(state: State) -> jax.Array:
    """Return the largest root mean square of the parts of a state.

    A log determinant then counts as much as an image.
    """
    return jnp.max(jnp.stack([optimistix.rms_norm(leaf) for leaf in jax.tree.leaves(state)]))


@dataclass(frozen=True)
class Fixed:
    """The same method of order five, with ``steps`` equal steps.

    Along a grid it takes the same number of steps between all nodes, and at least ``steps`` in all.
    """

    steps: int

    def __call__(
        self, field: VectorField, state: State, start: Coordinate, stop: Coordinate
    ) -> Solution:
        grid = jnp.linspace(start, stop, self.steps + 1)
        return _at_end(_solve(field, state, start, stop, None, diffrax.StepTo(grid), self.steps))

    def path(
        self,
        field: VectorField,
        state: State,
        grid: Float[Array, " nodes"],
        observe: Observe | None = None,
    ) -> Path:
        between = -(-self.steps // (len(grid) - 1))
        shares = jnp.arange(between) / between
        fine = (grid[:-1, None] + shares * jnp.diff(grid)[:, None]).ravel()
        fine = jnp.append(fine, grid[-1])
        saved = diffrax.SaveAt(t0=True, steps=True)
        solved = _solve(
            field, state, grid[0], grid[-1], None, diffrax.StepTo(fine), len(fine) - 1, saved
        )
        states = jax.tree.map(lambda leaf: leaf[::between], solved.ys)
        return _path(_solution(solved, states), observe)

    def tightened(self) -> "Fixed":
        """Return a solver with twice the steps."""
        return replace(self, steps=2 * self.steps)
