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
    """Where the solver arrived, how many times it called the vector field, whether it got there."""

    state: State
    nfe: Int[Array, ""]
    ok: Bool[Array, ""]


class Solver(Protocol):
    """Carries a state (any pytree) from one coordinate to another, forwards or backwards."""

    def __call__(
        self, field: VectorField, state: State, start: Coordinate, stop: Coordinate
    ) -> Solution: ...

    def path(self, field: VectorField, state: State, grid: Float[Array, " nodes"]) -> Solution:
        """The states at all nodes of a grid, along a first axis; the first is the given one.

        Each is the end of a step: none is interpolated.
        """
        ...

    def tightened(self) -> "Solver":
        """A solver whose error is several times smaller, to see what the error of this one is."""
        ...
