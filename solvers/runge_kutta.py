"""Runge-Kutta solvers: a thin face on diffrax."""

from dataclasses import dataclass

import diffrax
import jax
import jax.numpy as jnp
import optimistix

from solvers.base import Coordinate, Solution, State, VectorField

# Tsit5 has seven stages, the last of which is the first of the next step: one evaluation starts.
_EVALUATIONS_PER_STEP = 6
_EVALUATIONS_TO_START = 1
# A share of the whole way. Given, since diffrax's own choice costs evaluations.
_FIRST_STEP = 0.01


def _solve(field, state, start, stop, first_step, controller, max_steps) -> diffrax.Solution:
    return diffrax.diffeqsolve(
        diffrax.ODETerm(lambda s, y, _: field(s, y)),  # pyright: ignore[reportArgumentType]
        diffrax.Tsit5(),
        t0=start,
        t1=stop,
        dt0=first_step,
        y0=state,
        stepsize_controller=controller,
        max_steps=max_steps,
        throw=False,
    )


def _solution(solved: diffrax.Solution) -> Solution:
    state = jax.tree.map(lambda leaf: leaf[0], solved.ys)
    finite = jax.tree.reduce(lambda ok, leaf: ok & jnp.all(jnp.isfinite(leaf)), state, True)
    return Solution(
        state=state,
        nfe=_EVALUATIONS_PER_STEP * solved.stats["num_steps"] + _EVALUATIONS_TO_START,
        ok=finite & (solved.result == diffrax.RESULTS.successful),
    )


@dataclass(frozen=True)
class Adaptive:
    """Tsitouras' 5(4) pair with a PI controller on the scaled error of the worst part.

    Under ``vmap`` every example keeps its own steps. An example that would need more than
    ``max_steps`` ends with ``ok = False``.
    """

    rtol: float
    atol: float
    max_steps: int = 4096

    def __call__(
        self, field: VectorField, state: State, start: Coordinate, stop: Coordinate
    ) -> Solution:
        controller = diffrax.PIDController(
            rtol=self.rtol, atol=self.atol, pcoeff=0.3, icoeff=0.4, norm=largest_rms
        )
        return _solution(
            _solve(
                field, state, start, stop, _FIRST_STEP * (stop - start), controller, self.max_steps
            )
        )


def largest_rms(state: State) -> jax.Array:
    """The largest root mean square of the parts: a log determinant counts as much as an image."""
    return jnp.max(jnp.stack([optimistix.rms_norm(leaf) for leaf in jax.tree.leaves(state)]))


@dataclass(frozen=True)
class Fixed:
    """The same method of order five with a given number of equal steps."""

    steps: int

    def __call__(
        self, field: VectorField, state: State, start: Coordinate, stop: Coordinate
    ) -> Solution:
        grid = jnp.linspace(start, stop, self.steps + 1)
        return _solution(_solve(field, state, start, stop, None, diffrax.StepTo(grid), self.steps))
