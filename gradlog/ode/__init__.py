"""ODE solvers, and the probability-flow ODE that sampling and likelihood integrate."""

from gradlog.ode.flow import Flow, LogRhoFlow, TimeFlow
from gradlog.ode.runge_kutta import ADJOINTS, Adaptive, Fixed
from gradlog.ode.solver import Solution, Solver

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
