"""Densities on the grid and KL of a model from known data, against closed forms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gradlog.distributions import Gaussian, GaussianMixture
from gradlog.models import BoundModel
from gradlog.sde_lib import SDES
from gradlog.theory.bound import (
    kl_on_grid,
    measure_divergences,
    path_kl,
    score_matching_error,
    tabulate_law,
    tabulate_model,
)
from gradlog.theory.fokker_planck import LineGrid, reverse_density, score_table
from gradlog.theory.linear_model import LinearScore, linear_kl, model_moments

EPS = 1e-3
GAUSSIAN = Gaussian(jnp.array([0.5]), jnp.array([0.3]))
WRONG = LinearScore(Gaussian(jnp.array([0.3]), jnp.array([0.5])), 0.8)
MIXTURE = GaussianMixture(jnp.array([0.2, 0.8]), jnp.array([[-1.0], [1.0]]), jnp.array([0.2, 0.2]))
COARSE, FINE = (LineGrid(scale=0.7, cells=cells, steps=cells // 2) for cells in (120, 240))


def wrong_score(sde):
    def score(x, t):
        slope, offset = WRONG(sde.alpha(t), sde.sigma(t))
        return slope * x + offset

    return score


@functools.cache
def tables(law, name, line):
    """Tables of the law and of a model: a wrong linear score, or the mixture's true score."""
    sde = SDES[name]()
    score = wrong_score(sde) if law == "gaussian" else MIXTURE.score_fn(sde)
    truth = GAUSSIAN if law == "gaussian" else MIXTURE
    return jax.jit(
        lambda: (
            tabulate_law(truth, sde, line, EPS),
            tabulate_model(BoundModel(sde, score), line, EPS),
        )
    )()


@functools.cache
def found(law, name, line):
    return measure_divergences(*tables(law, name, line), SDES[name](), line, EPS)


def density_error(name, line, exact):
    """Return the largest error of the model's density, relative to its peak, and the density."""
    sde = SDES[name]()
    score = wrong_score(sde)
    table = jax.jit(lambda: score_table(sde, score, line, EPS))()
    got = reverse_density(sde, table, line, EPS)
    spread = line.spread(sde, sde.log_rho(EPS))
    mean, std = exact.mean[-1] / spread, jnp.sqrt(exact.variance[-1]) / spread
    want = np.exp(-0.5 * ((line.centers - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi))
    return np.max(np.abs(got - want)) / np.max(want), got


# The tables meet a process in alpha and sigma alone: two that differ in both.
@pytest.mark.parametrize("name", ["vp", "ve"])
def test_the_density_of_a_linear_model_is_its_gaussian_to_second_order_in_the_grid(name):
    sde = SDES[name]()
    levels = jnp.linspace(sde.log_rho(sde.t_max), sde.log_rho(EPS), 257)
    exact = jax.jit(lambda: model_moments(sde, WRONG, levels, noise=1.0))()
    coarse, fine = (density_error(name, line, exact)[0] for line in (COARSE, FINE))
    assert 3.2 < coarse / fine < 5
    assert fine < 5e-3


def test_with_the_exact_score_the_model_has_the_marginal_of_the_mixture():
    sde = SDES["vp"]()
    truth, model = tables("mixture", "vp", FINE)
    got, want = reverse_density(sde, model.scores, FINE, EPS), np.exp(truth.log_last)
    assert np.max(np.abs(got - want)) < 0.03 * np.max(want)
    numbers = found("mixture", "vp", FINE)
    assert numbers.score_matching == 0
    assert 0 <= numbers.kl_sde < 1e-4
    # The flow preserves KL(p_T || prior) up to rounding.
    assert abs(numbers.kl_ode - numbers.prior) < 2e-5


def test_mass_is_conserved_and_the_density_stays_positive():
    """Even with a wild score."""
    line = LineGrid(cells=100, steps=40)
    wild = 30 * np.sin(40 * line.faces) + np.random.default_rng(0).normal(size=(40, 1))
    density = reverse_density(SDES["vp"](), wild, line, EPS)
    assert abs(density.sum() * line.width - 1) < 1e-6  # the prior's mass beyond the ends
    assert np.all(density > -1e-9 * density.max())


def test_kl_and_the_bound_of_a_linear_model_are_the_closed_forms():
    sde = SDES["vp"]()
    want, got = linear_kl(GAUSSIAN, sde, WRONG, EPS), found("gaussian", "vp", FINE)
    np.testing.assert_allclose(got.kl_sde, want.kl_sde, atol=2e-4)
    np.testing.assert_allclose(got.kl_ode, want.kl_flow, rtol=1e-4)
    np.testing.assert_allclose(got.bound, want.bound, rtol=1e-4)
    np.testing.assert_allclose(got.prior, want.prior, atol=1e-6)
    truth = jax.jit(lambda: tabulate_law(GAUSSIAN, sde, COARSE, EPS))()
    table = jax.jit(lambda: score_table(sde, wrong_score(sde), COARSE, EPS))()
    coarse = kl_on_grid(truth.log_last, np.log(reverse_density(sde, table, COARSE, EPS)), COARSE)
    assert abs(coarse - want.kl_sde) > 3 * abs(got.kl_sde - want.kl_sde)


def test_the_bound_lies_between_kl_of_the_sde_and_kl_of_the_flow():
    numbers = found("gaussian", "vp", FINE)
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


def test_a_model_without_density_at_the_data_raises():
    truth, model = tables("mixture", "vp", FINE)
    with pytest.raises(ValueError, match="240 cells"):
        kl_on_grid(truth.log_last * 0, np.full(240, np.nan), FINE)
    with pytest.raises(ValueError, match="score"):
        reverse_density(SDES["vp"](), model.scores * np.nan, FINE, EPS)


def test_a_grid_without_cells_raises():
    with pytest.raises(ValueError, match="cells"):
        LineGrid(cells=1)


def test_the_kl_of_paths_is_the_bound_of_a_linear_model():
    """Girsanov's sum against the closed form; its error of discretization falls with the step."""
    sde = SDES["ve"]()
    want = linear_kl(GAUSSIAN, sde, WRONG, EPS).bound
    model = BoundModel(sde, wrong_score(sde))

    @tiny.optimized
    def paths(key):
        return path_kl(GAUSSIAN, model, EPS, key, steps=500, samples=8192)

    got, error = paths(jax.random.key(0))
    assert abs(got - want) < 4 * error
    assert error < 0.02 * want


def test_the_true_score_has_the_kl_of_the_prior_on_every_path():
    sde = SDES["vp"]()
    model = BoundModel(sde, MIXTURE.score_fn(sde))
    run = jax.jit(lambda key: path_kl(MIXTURE, model, EPS, key, steps=20, samples=64))
    got, error = run(jax.random.key(0))
    assert abs(got) < 1e-3
    assert error < 1e-3
