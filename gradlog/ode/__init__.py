"""ODE solvers, and the probability-flow ODE that sampling and likelihood integrate."""

from gradlog.ode.flow import Flow, LogRhoFlow, TimeFlow
from gradlog.ode.multistep import ExponentialMultistep
from gradlog.ode.runge_kutta import ADJOINTS, Adaptive, Fixed
from gradlog.ode.solver import Path, PathSolver, Solution, Solver

PATHS: dict[str, type] = {"adaptive": Adaptive, "multistep": ExponentialMultistep}
FLOWS: dict[str, type] = {"log_rho": LogRhoFlow, "t": TimeFlow}

__all__ = [
    "ADJOINTS",
    "FLOWS",
    "PATHS",
    "Adaptive",
    "ExponentialMultistep",
    "Fixed",
    "Flow",
    "LogRhoFlow",
    "Path",
    "PathSolver",
    "Solution",
    "Solver",
    "TimeFlow",
]
