"""KL of known data in one dimension from a diffusion model, and its likelihood-weighted bound."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gradlog.distributions import Distribution, Estimate, monte_carlo
from gradlog.likelihood import AsSample, Exact, ODELikelihood
from gradlog.models import BoundModel
from gradlog.ode import Adaptive, LogRhoFlow
from gradlog.sde_lib import SDE
from gradlog.theory.fokker_planck import LineGrid, reverse_density, score_table

_RARE = 1e-12  # a cell with less mass adds nothing, whatever the model's density is there


class Divergences(NamedTuple):
    """KL(p || p_sde), KL(p || p_ode), and the bound on the first with its two terms, in nats."""

    kl_sde: float
    kl_ode: float
    bound: float
    score_matching: float
    prior: float


class ModelTables(NamedTuple):
    """The model's ``score_table``, and the log density of its flow per unit of u."""

    scores: Float[Array, "steps cells-1"]
    log_ode: Float[Array, " cells"]


class LawTables(NamedTuple):
    """The law's ``score_table``, its densities at each step, and its log densities at both ends."""

    scores: Float[Array, "steps cells-1"]
    densities: Float[Array, "steps cells-1"]
    log_first: Float[Array, " cells"]
    log_last: Float[Array, " cells"]


def tabulate_model(
    model: BoundModel, grid: LineGrid, eps: float, *, tolerance: float = 1e-5
) -> ModelTables:
    """Return the tables of a model.

    This function can be traced, so that one program serves many parameters. The flow's density
    comes from the adaptive ODE solver with the exact trace; ``tolerance`` is both its relative and
    its absolute one. The density is NaN where the solver failed.
    """
    solver = Adaptive(rtol=tolerance, atol=tolerance)
    likelihood = ODELikelihood(solver, LogRhoFlow(), Exact(), eps, AsSample())
    sde = model.process
    spread = grid.spread(sde, sde.log_rho(eps))
    xs = spread * jnp.asarray(grid.centers)[:, None]
    keys = jax.random.split(jax.random.key(0), len(xs))
    result = likelihood(model, xs, keys)
    log_ode = jnp.where(result.ok, result.nats, jnp.nan) + jnp.log(spread)
    return ModelTables(score_table(sde, model.score, grid, eps), log_ode)


def tabulate_law(law: Distribution, sde: SDE, grid: LineGrid, eps: float) -> LawTables:
    """Return the tables of a law in one dimension. This function can be traced."""

    def log_density(level, points) -> Float[Array, " n"]:
        spread, t = grid.spread(sde, level), sde.time_of_log_rho(level)
        alpha, sigma = sde.alpha(t), sde.sigma(t)
        return jnp.log(spread) + jax.vmap(
            lambda u: law.log_density((spread * u)[None], alpha, sigma)
        )(jnp.asarray(points))

    middles = grid.middles(sde, eps)
    return LawTables(
        scores=score_table(sde, law.score_fn(sde), grid, eps),
        densities=jnp.exp(jax.lax.map(lambda level: log_density(level, grid.faces), middles)),
        log_first=log_density(sde.log_rho(sde.t_max), grid.centers),
        log_last=log_density(sde.log_rho(eps), grid.centers),
    )


def measure_divergences(
    law: LawTables, model: ModelTables, sde: SDE, grid: LineGrid, eps: float
) -> Divergences:
    """Return KL of the law at eps from the model's SDE and flow, and the bound, by quadrature.

    ``KL(p_eps || p_sde) <= J + KL(p_T || prior)``, ``J = 1/2 int g^2 E||s - grad log p_t||^2 dt``
    (Song et al. 2021, arXiv:2101.09258, theorem 1). It is no bound on KL(p_eps || p_ode).

    Args:
      law: the result of ``tabulate_law``.
      model: the result of ``tabulate_model``, on the same grid and at the same eps.
      sde: the process.
      grid: the grid of both tables.
      eps: time at which data and model are compared.

    Raises:
      ValueError: a score is not finite, or a density is not positive where there are data.
    """
    prior = kl_on_grid(law.log_first, grid.log_prior(sde), grid)
    matching = score_matching_error(law, model, sde, grid, eps)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_sde = np.log(reverse_density(sde, model.scores, grid, eps))
    return Divergences(
        kl_sde=kl_on_grid(law.log_last, log_sde, grid),
        kl_ode=kl_on_grid(law.log_last, model.log_ode, grid),
        bound=matching + prior,
        score_matching=matching,
        prior=prior,
    )


def score_matching_error(
    law: LawTables, model: ModelTables, sde: SDE, grid: LineGrid, eps: float
) -> float:
    """Return ``1/2 int g^2 E||s - grad log p_t||^2 dt`` in nats, by the midpoint rule.

    In the tables' units ``g^2 dt ||.||^2 = 2 (sigma/S)^2 d(log rho) ||.||^2``.
    """
    square = (np.asarray(model.scores, np.float64) - np.asarray(law.scores, np.float64)) ** 2
    means = np.sum(np.asarray(law.densities, np.float64) * square, axis=1) * grid.width
    rho2 = np.exp(2 * np.asarray(grid.middles(sde, eps), np.float64))
    levels = np.asarray(grid.levels(sde, eps), np.float64)
    return float(np.sum(rho2 / (grid.scale**2 + rho2) * means * -np.diff(levels)))


def kl_on_grid(log_p, log_q, grid: LineGrid) -> float:
    """Return ``int p log(p/q) du`` in nats from log densities at the centers of the cells.

    Raises:
      ValueError: q is not positive and finite where p is.
    """
    log_p, log_q = (np.asarray(values, np.float64) for values in (log_p, log_q))
    mass = np.exp(log_p) * grid.width
    has_data = mass > _RARE
    if not np.isfinite(log_q[has_data]).all():
        raise ValueError(
            f"the model has no density at {np.sum(~np.isfinite(log_q[has_data]))} cells that hold "
            "data: use a finer grid; if that does not help, train the model for longer"
        )
    return float(np.sum(mass[has_data] * (log_p[has_data] - log_q[has_data])))


def path_kl(
    law: Distribution,
    model: BoundModel,
    eps: float,
    key: Array,
    *,
    steps: int = 400,
    samples: int = 4096,
) -> Estimate:
    """Return the KL of the data's paths from the model's, by Girsanov's sum, and its s.e. in nats.

    ``KL(P || Q) = E_P log dP/dQ = J_SM(g^2) + KL(p_T || prior)`` (Song et al. 2021,
    arXiv:2101.09258, proof of theorem 1), where P is the forward process from the data and Q the
    reverse SDE of the model from its prior. So it is the bound of ``measure_divergences``, without
    any quadrature over x.

    The paths are those of the forward process, which are exact at every level. With
    ``y = x/alpha`` and ``v`` the growth of rho^2 over a step, the two reverse transitions from
    the noisier end are Gaussians of variance v around ``y + v alpha s``. The log ratio of their
    densities is ``v alpha^2/2 ||s* - s||^2 + alpha (s* - s) . (step - v alpha s*)``, whose second
    term, the martingale, has mean zero at every step size. The sum tends to the integral as the
    steps shrink.

    Args:
      law: of the data.
      model: the process and the model's score.
      eps: time at which the paths begin.
      key: of the paths.
      steps: number of steps, even in log rho.
      samples: number of paths.
    """
    sde = model.process
    levels = jnp.linspace(sde.log_rho(eps), sde.log_rho(sde.t_max), steps + 1)
    times, rho = jax.vmap(sde.time_of_log_rho)(levels), jnp.exp(levels)

    def one(key: Array) -> Float[Array, ""]:
        data_key, noise_key, path_key = jax.random.split(key, 3)
        start = law.sample(data_key)
        start += rho[0] * jax.random.normal(noise_key, start.shape)

        def add(carry, scanned):
            (y, total), (t, growth, step_key) = carry, scanned
            ahead = y + jnp.sqrt(growth) * jax.random.normal(step_key, y.shape)
            alpha, sigma = sde.alpha(t), sde.sigma(t)
            true = law.score(alpha * ahead, alpha, sigma)
            off = alpha * (true - model.score(alpha * ahead, t))
            martingale = jnp.sum(off * (y - ahead - growth * alpha * true))
            return (ahead, total + 0.5 * growth * jnp.sum(off**2) + martingale), None

        scanned = (times[1:], jnp.diff(rho**2), jax.random.split(path_key, steps))
        (end, total), _ = jax.lax.scan(add, (start, jnp.zeros(())), scanned)
        alpha, sigma = sde.alpha(times[-1]), sde.sigma(times[-1])
        x = alpha * end
        return total + law.log_density(x, alpha, sigma) - sde.prior_log_prob(x)

    return monte_carlo(one, key, samples)
