"""Densities on the grid and KL of a model from known data, against closed forms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.distributions import Gaussian, GaussianMixture
from gradlog.sde_lib import SDES
from gradlog.theory.bound import ask_law, ask_model, divergences, kl_on_line, score_matching_error
from gradlog.theory.fokker_planck import reverse_density, score_table
from gradlog.theory.line import Line
from gradlog.theory.linear_kl import ledger
from gradlog.theory.linear_model import LinearScore, model_moments

EPS = 1e-3
GAUSSIAN = Gaussian(jnp.array([0.5]), jnp.array([0.3]))
WRONG = LinearScore(Gaussian(jnp.array([0.3]), jnp.array([0.5])), 0.8)
MIXTURE = GaussianMixture(jnp.array([0.2, 0.8]), jnp.array([[-1.0], [1.0]]), jnp.array([0.2, 0.2]))
COARSE, FINE = (Line(scale=0.7, cells=cells, steps=cells // 2) for cells in (120, 240))


def wrong_score(sde):
    def score(x, t):
        slope, offset = WRONG(sde.alpha(t), sde.sigma(t))
        return slope * x + offset

    return score


@functools.cache
def tables(law, name, line):
    """Of the law, and of the model: a wrong linear score of the Gaussian, the mixture's own."""
    sde = SDES[name]()
    score = wrong_score(sde) if law == "gaussian" else MIXTURE.score_fn(sde)
    truth = GAUSSIAN if law == "gaussian" else MIXTURE
    return jax.jit(lambda: (ask_law(truth, sde, line, EPS), ask_model(sde, score, line, EPS)))()


@functools.cache
def found(law, name, line):
    return divergences(*tables(law, name, line), SDES[name](), line, EPS)


def density_error(name, line, exact):
    """Largest error of the model's density, relative to the density's peak."""
    sde = SDES[name]()
    score = wrong_score(sde)
    table = jax.jit(lambda: score_table(sde, score, line, EPS))()
    got = reverse_density(sde, table, line, EPS)
    spread = line.spread(sde, sde.log_rho(EPS))
    mean, std = exact.mean[-1] / spread, jnp.sqrt(exact.variance[-1]) / spread
    want = np.exp(-0.5 * ((line.centers - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi))
    return np.max(np.abs(got - want)) / np.max(want), got


@pytest.mark.parametrize("name", ["vp", "ve", "straight"])
def test_the_density_of_a_linear_model_is_its_gaussian_to_second_order_in_the_grid(name):
    sde = SDES[name]()
    levels = jnp.linspace(sde.log_rho(sde.t_max), sde.log_rho(EPS), 257)
    exact = jax.jit(lambda: model_moments(sde, WRONG, levels, noise=1.0))()
    coarse, fine = (density_error(name, line, exact)[0] for line in (COARSE, FINE))
    assert 3.2 < coarse / fine < 5
    assert fine < 5e-3


@pytest.mark.parametrize("name", ["vp", "ve"])
def test_with_the_exact_score_the_model_has_the_marginal_of_the_mixture(name):
    sde = SDES[name]()
    truth, model = tables("mixture", name, FINE)
    got, want = reverse_density(sde, model.scores, FINE, EPS), np.exp(truth.log_last)
    assert np.max(np.abs(got - want)) < 0.03 * np.max(want)
    numbers = found("mixture", name, FINE)
    assert numbers.score_matching == 0
    assert 0 <= numbers.kl_sde < 1e-4
    # The flow keeps KL(p_T || prior) but for rounding; both ends are compared with the same prior.
    assert abs(numbers.kl_ode - numbers.prior) < 2e-5


def test_mass_is_kept_to_rounding_and_the_density_stays_positive():
    """Even with a score that throws everything about."""
    line = Line(cells=100, steps=40)
    wild = 30 * np.sin(40 * line.faces) + np.random.default_rng(0).normal(size=(40, 1))
    density = reverse_density(SDES["vp"](), wild, line, EPS)
    assert abs(density.sum() * line.width - 1) < 1e-6  # what the prior lacks beyond the ends
    assert np.all(density > -1e-9 * density.max())


@pytest.mark.parametrize("name", ["vp", "ve"])
def test_kl_and_the_bound_of_a_linear_model_are_the_closed_forms(name):
    sde = SDES[name]()
    want, got = ledger(GAUSSIAN, sde, WRONG, EPS), found("gaussian", name, FINE)
    np.testing.assert_allclose(got.kl_sde, want.kl_sde, atol=2e-4)
    np.testing.assert_allclose(got.kl_ode, want.kl_flow, rtol=1e-4)
    np.testing.assert_allclose(got.bound, want.bound, rtol=1e-4)
    np.testing.assert_allclose(got.prior, want.prior, atol=1e-6)
    coarse = found("gaussian", name, COARSE)
    assert abs(coarse.kl_sde - want.kl_sde) > 3 * abs(got.kl_sde - want.kl_sde)


@pytest.mark.parametrize("name", ["vp", "ve"])
def test_the_bound_lies_between_the_sdes_kl_and_the_flows(name):
    numbers = found("gaussian", name, FINE)
    assert numbers.kl_sde + 0.05 < numbers.bound < numbers.kl_ode - 0.05


def test_the_score_matching_error_is_quadratic_in_the_error():
    truth, model = tables("mixture", "vp", FINE)
    off = np.cos(FINE.faces)
    one, two = (
        score_matching_error(
            truth, model._replace(scores=truth.scores + size * off), SDES["vp"](), FINE, EPS
        )
        for size in (0.1, 0.2)
    )
    assert one > 1e-3
    np.testing.assert_allclose(two, 4 * one, rtol=1e-3)


def test_a_model_without_density_where_there_are_data_is_refused():
    truth, model = tables("mixture", "vp", FINE)
    with pytest.raises(ValueError, match="no density at 240 cells"):
        kl_on_line(truth.log_last * 0, np.full(240, np.nan), FINE)
    with pytest.raises(ValueError, match="score is not finite"):
        reverse_density(SDES["vp"](), model.scores * np.nan, FINE, EPS)


def test_a_grid_without_cells_is_refused():
    with pytest.raises(ValueError, match="cells at least 2"):
        Line(cells=1)
