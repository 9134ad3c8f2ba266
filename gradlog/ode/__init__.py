"""ODE solvers, and the probability-flow ODE that sampling and likelihood integrate."""

from gradlog.ode.flow import Flow as Flow
from gradlog.ode.flow import LogRhoFlow as LogRhoFlow
from gradlog.ode.flow import TimeFlow as TimeFlow
from gradlog.ode.multistep import ExponentialMultistep as ExponentialMultistep
from gradlog.ode.runge_kutta import ADJOINTS as ADJOINTS
from gradlog.ode.runge_kutta import Adaptive as Adaptive
from gradlog.ode.runge_kutta import Fixed as Fixed
from gradlog.ode.solver import Path as Path
from gradlog.ode.solver import PathSolver as PathSolver
from gradlog.ode.solver import Solution as Solution
from gradlog.ode.solver import Solver as Solver

PATHS: dict[str, type] = {"adaptive": Adaptive, "multistep": ExponentialMultistep}
FLOWS: dict[str, type] = {"log_rho": LogRhoFlow, "t": TimeFlow}
