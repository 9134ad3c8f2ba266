"""Tests of the coefficients of every registered SDE against autodiff, float64 and each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.sde_lib import SDES
from tests.rounding import chain

EPS = 1e-5


@pytest.fixture(params=SDES)
def sde(request):
    return SDES[request.param]()


def times(sde, n=2001):
    """Return float32 times, half of them spread over the decades above EPS."""
    log = np.geomspace(EPS, sde.t_max, n)
    return np.unique(np.concatenate([log, np.linspace(EPS, sde.t_max, n)]).astype(np.float32))


def float64_alpha_sigma(sde, t):
    """Return alpha and sigma by the field's definitions, in NumPy float64."""
    t = t.astype(np.float64)
    name = type(sde).__name__
    if name == "VE":
        return np.ones_like(t), 0.01 * (50.0 / 0.01) ** t
    if name == "Straight":
        return 1 - t, t
    if name == "LogSNR":
        gamma = -13.3 + 18.3 * t
        return 1 / np.sqrt(1 + np.exp(gamma)), 1 / np.sqrt(1 + np.exp(-gamma))
    if name == "DDPM":
        nodes = np.append(0, np.cumsum(np.log1p(-np.linspace(1e-4, 2e-2, 1000))))
        log_alpha2 = np.interp(t, np.arange(1001) / 1000, nodes)
        return np.exp(log_alpha2 / 2), np.sqrt(-np.expm1(log_alpha2))
    B = 0.1 * t + 0.5 * 19.9 * t**2
    one_minus = -np.expm1(-B)
    return np.exp(-B / 2), np.sqrt(one_minus) if name == "VP" else one_minus


def test_float32_alpha_and_sigma_agree_with_float64(sde):
    """They are exponentials. A relative error of the logarithm counts by the logarithm's size.

    The logarithm of alpha takes up to eight roundings in a row, and that of sigma four. Another 20
    units are for the exponential, for expm1 and log, and for terms of size 5 that cancel.
    """
    t = times(sde)
    alpha, sigma = float64_alpha_sigma(sde, t)
    assert jax.vmap(sde.alpha)(t).dtype == jnp.float32
    for got, want, operations in ((sde.alpha, alpha, 8), (sde.sigma, sigma, 4)):
        rtol = chain(20) + chain(operations) * np.abs(np.log(want))
        assert np.all(np.abs(jax.vmap(got)(t) - want) <= rtol * want)


def test_log_coefficients_agree_with_the_coefficients(sde):
    t = times(sde)
    alpha, sigma = float64_alpha_sigma(sde, t)
    np.testing.assert_allclose(jax.vmap(sde.log_alpha)(t), np.log(alpha), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(sde.log_sigma)(t), np.log(sigma), rtol=1e-6, atol=1e-6)


def test_drift_and_diffusion_are_the_derivatives_of_the_marginals(sde):
    with jax.enable_x64(True):

        @jax.jit
        @jax.vmap
        def rates(t):
            variance, variance_rate = jax.value_and_grad(lambda t: sde.sigma(t) ** 2)(t)
            return *sde.drift_and_diffusion(t), jax.grad(sde.log_alpha)(t), variance_rate, variance

        f, g2, f_marginal, variance_rate, sigma2 = rates(jnp.asarray(times(sde), jnp.float64))
        np.testing.assert_allclose(f, f_marginal, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(g2, variance_rate - 2 * f_marginal * sigma2, rtol=1e-8)


def test_g2_over_sigma2_is_twice_the_rate_of_log_rho(sde):
    with jax.enable_x64(True):

        @jax.jit
        @jax.vmap
        def both(t):
            return sde.drift_and_diffusion(t)[1] / sde.sigma(t) ** 2, 2 * sde.log_rho_rate(t)

        np.testing.assert_allclose(*both(jnp.asarray(times(sde), jnp.float64)), rtol=1e-8)


def test_time_of_log_rho_inverts_log_rho(sde):
    t = times(sde)

    @jax.jit
    @jax.vmap
    def there_and_back(t):
        return sde.time_of_log_rho(sde.log_rho(t)), sde.log_rho_rate(t)

    found, rate = map(np.asarray, there_and_back(t))
    # An error of half a unit in the last place of log rho moves t by this much.
    assert np.all(np.abs(found - t) <= 2e-6 / rate + 2e-6 * t)


def test_log_alpha_of_log_rho_agrees_with_log_alpha(sde):
    with jax.enable_x64(True):
        t = jnp.asarray(times(sde), jnp.float64)
        log_rho = jax.vmap(sde.log_rho)(t)
        got = jax.vmap(sde.log_alpha_of_log_rho)(log_rho)
        np.testing.assert_allclose(got, jax.vmap(sde.log_alpha)(t), rtol=1e-9, atol=1e-12)


def test_prior_log_prob_is_the_normal_density(sde):
    from scipy.stats import norm

    z = np.linspace(-3, 3, 12, dtype=np.float32).reshape(2, 3, 2)
    want = norm.logpdf(z, scale=float(sde.prior_std)).sum()
    np.testing.assert_allclose(sde.prior_log_prob(jnp.asarray(z)), want, rtol=1e-6)


def test_prior_samples_have_the_prior_standard_deviation(sde):
    z = sde.prior_sample(jax.random.key(0), (20_000,))
    np.testing.assert_allclose(np.std(z), float(sde.prior_std), rtol=0.03)


def test_numbers_of_an_sde_can_be_traced(sde):
    sigma = jax.jit(lambda s, t: s.sigma(t))(sde, 0.3)
    np.testing.assert_allclose(sigma, sde.sigma(0.3), rtol=1e-6)


def test_ladder_descends_to_eps_by_equal_factors_of_rho(sde):
    @jax.jit
    def ladder():
        times = sde.ladder(1e-3, 12)
        return times, jax.vmap(sde.log_rho)(times)

    times, log_rho = map(np.asarray, ladder())
    np.testing.assert_allclose(times[[0, -1]], [sde.t_max, 1e-3], rtol=1e-4)
    factors = np.diff(log_rho)
    np.testing.assert_allclose(factors, factors.mean(), rtol=2e-3)


def test_ladder_of_ve_is_the_geometric_sequence_of_ncsn():
    sde = SDES["ve"](sigma_min=0.01, sigma_max=1.0)
    sigmas = jax.jit(lambda: jax.vmap(sde.sigma)(sde.ladder(1e-7, 10)))()
    np.testing.assert_allclose(sigmas, np.geomspace(1.0, 0.01, 10), rtol=1e-4)
