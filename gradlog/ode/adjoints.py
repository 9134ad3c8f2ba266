"""How a solve is differentiated in reverse.

``checkpoint`` differentiates the solver's own steps, recomputed from a few that are kept (Griewank
& Walther 2000, algorithm 799; diffrax's default): exact for the numbers that were computed.
``direct`` does the same through bounded loops, which also allows forward mode; its cost grows with
``max_steps``. ``backsolve`` solves the adjoint equations backwards from the end (Chen et al. 2018,
arXiv:1806.07366): memory that does not grow with the steps, gradients to the solver's tolerance.
"""

import diffrax
import jax
import jax.numpy as jnp

from gradlog.ode.base import Coordinate, State, VectorField

ADJOINTS: dict[str, diffrax.AbstractAdjoint] = {
    "backsolve": diffrax.BacksolveAdjoint(),
    "checkpoint": diffrax.RecursiveCheckpointAdjoint(),
    "direct": diffrax.DirectAdjoint(),
}


def explicit(field: VectorField, start: Coordinate, state: State):
    """``(f, values)`` with ``f(s, y, *values) = field(s, y)``: traced floats made arguments.

    They are what the field closes over, a network's parameters for example: ``backsolve``
    differentiates by the start and by arguments, and by nothing else.
    """
    return jax.closure_convert(field, jnp.asarray(start, float), state)
