"""KL of a model with a wrong linear score: integrals of scores against the closed form."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.distributions import Gaussian
from gradlog.sde_lib import SDES
from gradlog.theory.linear_model import LinearScore, linear_kl, model_moments, moments_at

LAW = Gaussian(jnp.array([0.5, -1.0]), jnp.array([0.3, 0.8]))
WRONG = Gaussian(jnp.array([0.3, -0.7]), jnp.array([0.5, 0.6]))
EPS = 1e-3
# The integrals meet a process in alpha and sigma alone: two that differ in both.
NAMES = ("vp", "ve")


def in_float64(leaf):
    return jnp.asarray(np.asarray(leaf, np.float64))


@functools.cache
def found(name, gain):
    with jax.enable_x64(True):
        return linear_kl(LAW, SDES[name](), LinearScore(WRONG, gain), EPS, intervals=256)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("gain", [1.0, 0.8])
def test_kl_of_the_flow_is_the_integral_of_products_of_score_errors(name, gain):
    numbers = found(name, gain)
    assert numbers.kl_flow > 0.4
    np.testing.assert_allclose(numbers.kl_flow_by_scores, numbers.kl_flow, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("gain", [1.0, 0.8])
def test_kl_of_the_sde_is_the_integral_of_differences_of_square_errors(name, gain):
    numbers = found(name, gain)
    np.testing.assert_allclose(numbers.kl_sde_by_scores, numbers.kl_sde, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_bound_holds_for_the_sde_and_not_for_the_flow(name):
    numbers = found(name, 0.8)
    assert numbers.kl_sde + 0.1 < numbers.bound < numbers.kl_flow - 0.1


def test_the_bound_is_an_equality_where_the_score_is_that_of_the_models_marginals():
    """VP preserves N(0, I). With its score the model's marginals are N(0, I) at every time."""
    standard = Gaussian(jnp.zeros(2), jnp.ones(2))
    with jax.enable_x64(True):
        tight = linear_kl(LAW, SDES["vp"](), LinearScore(standard), EPS, intervals=256)
        loose = linear_kl(LAW, SDES["vp"](), LinearScore(standard, 1.1), EPS, intervals=256)
    np.testing.assert_allclose(tight.bound, tight.kl_sde, rtol=1e-7)
    assert loose.bound > loose.kl_sde + 0.01


@pytest.mark.parametrize("name", NAMES)
def test_with_the_exact_score_only_the_prior_causes_an_error(name):
    """The flow transports quantiles; the SDE shrinks the excess by the regression on x_T."""
    with jax.enable_x64(True):
        sde, law = SDES[name](), jax.tree.map(in_float64, LAW)
        levels = jnp.linspace(sde.log_rho(sde.t_max), sde.log_rho(EPS), 257)
        run = jax.jit(lambda noise: model_moments(sde, LinearScore(law), levels, noise=noise))
        first, last = (moments_at(law, sde.alpha(t), sde.sigma(t)) for t in (sde.t_max, EPS))
        regression = sde.alpha(sde.t_max) / sde.alpha(EPS) * last.variance / first.variance
        for noise, gain in ((0.0, jnp.sqrt(last.variance / first.variance)), (1.0, regression)):
            got = run(noise)
            excess = gain**2 * (sde.prior_std**2 - first.variance)
            np.testing.assert_allclose(got.mean[-1], last.mean - gain * first.mean, rtol=1e-6)
            np.testing.assert_allclose(got.variance[-1], last.variance + excess, rtol=1e-6)


def test_errors_of_the_integral_fall_with_the_fourth_power_of_the_intervals():
    with jax.enable_x64(True):
        score = LinearScore(WRONG, 0.8)
        coarse = linear_kl(LAW, SDES["vp"](), score, EPS, intervals=64)
        fine = found("vp", 0.8)
        errors = [abs(run.kl_flow_by_scores - fine.kl_flow) for run in (coarse, fine)]
    assert errors[0] > 12**2 * errors[1] > 0
