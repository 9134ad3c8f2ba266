"""ODE stepping shared by sampling and likelihood."""

from solvers.adjoints import ADJOINTS
from solvers.base import Solution, Solver
from solvers.flow import Flow, LogRhoFlow, TimeFlow
from solvers.runge_kutta import Adaptive, Fixed

FLOWS: dict[str, type] = {"log_rho": LogRhoFlow, "t": TimeFlow}

__all__ = [
    "ADJOINTS",
    "FLOWS",
    "Adaptive",
    "Fixed",
    "Flow",
    "LogRhoFlow",
    "Solution",
    "Solver",
    "TimeFlow",
]
