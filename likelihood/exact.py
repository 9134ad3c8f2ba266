"""The probability flow with the trace itself."""

from gradlog.likelihood.base import PriorLogProb
from gradlog.likelihood.divergences import Exact
from gradlog.likelihood.ode import ODELikelihood
from gradlog.likelihood.start import Start
from gradlog.ode import Flow, Solver


def make_exact(
    solver: Solver,
    flow: Flow,
    eps: float,
    start: Start,
    prior_log_prob: PriorLogProb | None = None,
    chunk: int = 128,
) -> ODELikelihood:
    """An adaptive solve whose divergence is exact: d products at a time, ``chunk`` at once.

    The reference that probes are held against: nothing in it is random but the start.
    """
    return ODELikelihood(solver, flow, Exact(chunk), eps, start, prior_log_prob)
