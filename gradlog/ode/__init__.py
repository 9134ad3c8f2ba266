"""ODE solvers, and the probability-flow ODE that sampling and likelihood integrate."""

from gradlog.ode.flow import Flow as Flow, LogRhoFlow as LogRhoFlow, TimeFlow as TimeFlow
from gradlog.ode.multistep import ExponentialMultistep as ExponentialMultistep
from gradlog.ode.runge_kutta import ADJOINTS as ADJOINTS, Adaptive as Adaptive, Fixed as Fixed
from gradlog.ode.solver import (
    Path as Path,
    PathSolver as PathSolver,
    Solution as Solution,
    Solver as Solver,
)

PATHS: dict[str, type] = {"adaptive": Adaptive, "multistep": ExponentialMultistep}
FLOWS: dict[str, type] = {"log_rho": LogRhoFlow, "t": TimeFlow}
