"""The contract of an ODE solver."""

from collections.abc import Callable
from typing import Any, Protocol

from flax import struct
from jaxtyping import Array, Bool, Float, Int

State = Any
VectorField = Callable[[Float[Array, ""], State], State]
Coordinate = Float[Array, ""] | float


@struct.dataclass
class Solution:
    """The final state, the number of evaluations of the vector field, and whether it succeeded."""

    state: State
    nfe: Int[Array, ""]
    ok: Bool[Array, ""]


class Solver(Protocol):
    """Integrates a state (any pytree) from one coordinate to another, forwards or backwards."""

    def __call__(
        self, field: VectorField, state: State, start: Coordinate, stop: Coordinate
    ) -> Solution: ...

    def path(self, field: VectorField, state: State, grid: Float[Array, " nodes"]) -> Solution:
        """Return the states at all nodes of a grid, stacked along a first axis.

        The first is the initial state. Each of the others is the end of a step, and none is
        interpolated.
        """
        ...

    def tightened(self) -> "Solver":
        """Return a solver with a several times smaller error, to estimate the error of this one."""
        ...
