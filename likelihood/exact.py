"""The likelihood of the flow by the exact divergence, the reference for estimates by probes."""

from gradlog.likelihood.base import Likelihood, PriorLogProb
from gradlog.likelihood.divergences import Exact
from gradlog.likelihood.ode import ODELikelihood
from gradlog.likelihood.quadrature import Quadrature
from gradlog.likelihood.start import Start
from gradlog.ode import Adaptive, Flow, LogRhoFlow, PathSolver, Solver


def make_exact(
    solver: Solver,
    flow: Flow,
    eps: float,
    start: Start,
    prior_log_prob: PriorLogProb | None = None,
    chunk: int = 128,
    path: PathSolver | None = None,
    intervals: int = 24,
    tolerance: float = 0.01,
) -> Likelihood:
    """Return a solve with the exact divergence: d products an evaluation, ``chunk`` at once.

    Only its start may be random. By default, and with an adaptive ``path``, every example has its
    own steps. With another ``path`` all examples have the same ``intervals`` in log rho, and those
    that need it twice as many: a batch does not wait for its slowest example; see `Quadrature`.

    Raises:
      ValueError: the path needs another flow, or ``intervals`` is odd or too small.
    """
    if path is None or isinstance(path, Adaptive):
        return ODELikelihood(solver, flow, Exact(chunk), eps, start, prior_log_prob)
    if not isinstance(flow, LogRhoFlow):
        raise ValueError("path = 'multistep' needs variable = 'log_rho'")
    return Quadrature(
        *(path, Exact(chunk), eps, intervals, tolerance),
        rounds=0,
        start=start,
        prior_log_prob=prior_log_prob,
    )
