"""ODE stepping shared by sampling and likelihood."""

from gradlog.ode.adjoints import ADJOINTS
from gradlog.ode.base import Solution, Solver
from gradlog.ode.flow import Flow, LogRhoFlow, TimeFlow
from gradlog.ode.runge_kutta import Adaptive, Fixed

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
