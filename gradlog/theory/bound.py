"""KL of known data in one dimension from a diffusion model, and its likelihood-weighted bound."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gradlog.distributions import Oracle
from gradlog.likelihood import AsSample, Exact, ODELikelihood
from gradlog.ode import Adaptive, LogRhoFlow
from gradlog.sde_lib import SDE
from gradlog.theory.fokker_planck import reverse_density, score_table
from gradlog.theory.line import Line

ScoreFn = Callable[[Any, Any], Any]
_RARE = 1e-12  # mass of a cell below which it adds nothing, whatever the model says of it


class Divergences(NamedTuple):
    """In nats: KL(p || p_sde), KL(p || p_ode), and the bound on the first with its two terms."""

    kl_sde: float
    kl_ode: float
    bound: float
    score_matching: float
    prior: float


class Model(NamedTuple):
    """What is asked of a model: ``score_table``, and the flow's log density per unit of u."""

    scores: Float[Array, "steps cells-1"]
    log_ode: Float[Array, " cells"]


class Truth(NamedTuple):
    """The same of the data's law, its densities along the way, and both ends' log densities."""

    scores: Float[Array, "steps cells-1"]
    densities: Float[Array, "steps cells-1"]
    log_first: Float[Array, " cells"]
    log_last: Float[Array, " cells"]


def ask_model(
    sde: SDE, score_fn: ScoreFn, line: Line, eps: float, *, tolerance: float = 1e-5
) -> Model:
    """The tables of a model; can be traced, so that one program serves many parameters.

    The flow's density is that of the adaptive ODE solver with the exact trace; ``tolerance`` is
    both its relative and its absolute one. It is NaN where the solver failed.
    """
    solver = Adaptive(rtol=tolerance, atol=tolerance)
    likelihood = ODELikelihood(solver, LogRhoFlow(), Exact(), eps, AsSample())
    spread = line.spread(sde, sde.log_rho(eps))
    xs = spread * jnp.asarray(line.centers)[:, None]
    found = likelihood(sde, score_fn, xs, jax.random.split(jax.random.key(0), len(xs)))
    log_ode = jnp.where(found.ok, found.nats, jnp.nan) + jnp.log(spread)
    return Model(score_table(sde, score_fn, line, eps), log_ode)


def ask_law(law: Oracle, sde: SDE, line: Line, eps: float) -> Truth:
    """The tables of a law in one dimension; can be traced."""

    def log_density(level, points) -> Float[Array, " n"]:
        spread, t = line.spread(sde, level), sde.time_of_log_rho(level)
        alpha, sigma = sde.alpha(t), sde.sigma(t)
        return jnp.log(spread) + jax.vmap(
            lambda u: law.log_density((spread * u)[None], alpha, sigma)
        )(jnp.asarray(points))

    middles = line.middles(sde, eps)
    return Truth(
        scores=score_table(sde, law.score_fn(sde), line, eps),
        densities=jnp.exp(jax.lax.map(lambda level: log_density(level, line.faces), middles)),
        log_first=log_density(sde.log_rho(sde.t_max), line.centers),
        log_last=log_density(sde.log_rho(eps), line.centers),
    )


def divergences(truth: Truth, model: Model, sde: SDE, line: Line, eps: float) -> Divergences:
    """KL of the law at eps from the model's SDE and flow, and the bound, by quadrature.

    ``KL(p_eps || p_sde) <= J + KL(p_T || prior)``, ``J = 1/2 int g^2 E||s - grad log p_t||^2 dt``
    (Song et al. 2021, arXiv:2101.09258, theorem 1). It is no bound on KL(p_eps || p_ode).

    Args:
      truth: by ``ask_law``.
      model: by ``ask_model``, on the same grid and at the same eps.
      sde: the process.
      line: the grid.
      eps: where data and model are compared.

    Raises:
      ValueError: a score is not finite, or a density is not positive where there are data.
    """
    prior = kl_on_line(truth.log_first, line.log_prior(sde), line)
    matching = score_matching_error(truth, model, sde, line, eps)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_sde = np.log(reverse_density(sde, model.scores, line, eps))
    return Divergences(
        kl_sde=kl_on_line(truth.log_last, log_sde, line),
        kl_ode=kl_on_line(truth.log_last, model.log_ode, line),
        bound=matching + prior,
        score_matching=matching,
        prior=prior,
    )


def score_matching_error(truth: Truth, model: Model, sde: SDE, line: Line, eps: float) -> float:
    """``1/2 int g^2 E||s - grad log p_t||^2 dt`` in nats, by the middles of the grid's steps.

    In the tables' units ``g^2 dt ||.||^2 = 2 (sigma/S)^2 d(log rho) ||.||^2``.
    """
    square = (np.asarray(model.scores, np.float64) - np.asarray(truth.scores, np.float64)) ** 2
    means = np.sum(np.asarray(truth.densities, np.float64) * square, axis=1) * line.width
    rho2 = np.exp(2 * np.asarray(line.middles(sde, eps), np.float64))
    levels = np.asarray(line.levels(sde, eps), np.float64)
    return float(np.sum(rho2 / (line.scale**2 + rho2) * means * -np.diff(levels)))


def kl_on_line(log_p, log_q, line: Line) -> float:
    """``int p log(p/q) du`` in nats from log densities at the centers of the cells.

    Raises:
      ValueError: q is not positive and finite where p is.
    """
    log_p, log_q = (np.asarray(values, np.float64) for values in (log_p, log_q))
    mass = np.exp(log_p) * line.width
    seen = mass > _RARE
    if not np.isfinite(log_q[seen]).all():
        raise ValueError(
            f"the model has no density at {np.sum(~np.isfinite(log_q[seen]))} cells where there "
            "are data: refine the grid, or its score is too wild"
        )
    return float(np.sum(mass[seen] * (log_p[seen] - log_q[seen])))
