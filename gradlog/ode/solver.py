"""The contract of an ODE solver."""

from collections.abc import Callable
from typing import Any, Protocol

from flax import struct
from jaxtyping import Array, Bool, Float, Int

State = Any
VectorField = Callable[[Float[Array, ""], State], State]
Coordinate = Float[Array, ""] | float
# (number of a node, state there) -> (velocity, whatever else is wanted there)
Observe = Callable[[Int[Array, ""], State], tuple[State, Any]]


@struct.dataclass
class Solution:
    """The final state, the number of evaluations of the vector field, and whether it succeeded."""

    state: State
    nfe: Int[Array, ""]
    ok: Bool[Array, ""]


@struct.dataclass
class Path:
    """The states at the nodes of a grid, stacked along a first axis.

    Attributes:
      state: the states. The first is the initial one.
      nfe: number of evaluations of the vector field.
      ok: whether the solver succeeded.
      observed: what was observed at the nodes.
      velocity: the velocity at each node, if the solver corrects its states; otherwise None.
      correction: the last change of each state by a corrector; None without one. It is larger than
        the error of the step that remains.
    """

    state: State
    nfe: Int[Array, ""]
    ok: Bool[Array, ""]
    observed: Any = None
    velocity: State | None = None
    correction: State | None = None


class PathSolver(Protocol):
    """Integrates a state through all nodes of a grid."""

    def path(
        self,
        field: VectorField,
        state: State,
        grid: Float[Array, " nodes"],
        observe: Observe | None = None,
    ) -> Path:
        """Return the states at the nodes, each the end of a step.

        Args:
          field: the velocity.
          state: the state at the first node.
          grid: coordinates of the nodes.
          observe: returns the velocity at a node, and what else is wanted there.
        """
        ...

    def tightened(self) -> "PathSolver":
        """Return a solver with a several times smaller error on the same grid, if there is one."""
        ...


class Solver(PathSolver, Protocol):
    """Integrates a state (any pytree) from one coordinate to another, forwards or backwards."""

    def __call__(
        self, field: VectorField, state: State, start: Coordinate, stop: Coordinate
    ) -> Solution: ...

    def tightened(self) -> "Solver":
        """Return a solver with a several times smaller error, to estimate the error of this one."""
        ...
