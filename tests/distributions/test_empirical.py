"""The distribution of a finite data set equals a mixture, also on the digits."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from sklearn.datasets import load_digits

from gradlog.distributions import Distribution, Empirical, GaussianMixture
from gradlog.sde_lib import SDES

POINTS = np.random.default_rng(0).normal(size=(23, 3))
METHODS = ["log_density", "score", "posterior_mean", "posterior_trace"]


def digits():
    return load_digits().data.astype(np.float64) / 8 - 1


def direct(points, x, alpha, sigma):
    """Return log density, posterior mean and trace in float64, from all differences at once."""
    square = ((x - alpha * points) ** 2).sum(1)
    logits = -0.5 * square / sigma**2
    weights = softmax(logits)
    mean = weights @ points
    log_density = logsumexp(logits) - np.log(len(points))
    log_density -= x.size * (np.log(sigma) + 0.5 * np.log(2 * np.pi))
    return log_density, mean, weights @ ((points - mean) ** 2).sum(1)


@functools.partial(jax.jit, static_argnames="method")
def value(law, x, alpha, sigma, method):
    return getattr(law, method)(x, alpha, sigma)


@pytest.mark.parametrize("method", METHODS)
def test_it_equals_a_mixture_of_equal_weights_and_no_width(method):
    with jax.enable_x64(True):
        points = jnp.asarray(POINTS)
        law = Empirical(points, chunk=5)
        mixture = GaussianMixture(jnp.full(23, 1 / 23), points, jnp.zeros(23))
        x = jnp.array([0.3, -0.2, 0.8])
        for alpha, sigma in [(1.0, 0.05), (0.8, 0.6), (0.01, 1.0)]:
            got, want = (
                value(distribution, x, alpha, sigma, method) for distribution in (law, mixture)
            )
            np.testing.assert_allclose(got, want, rtol=1e-10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("chunk", [1, 7, 22, 23, 1000])
def test_results_do_not_depend_on_the_chunk(method, chunk):
    x = jnp.array([0.3, -0.2, 0.8])
    whole, parts = (Empirical(jnp.asarray(POINTS, jnp.float32), c) for c in (23, chunk))
    got, want = (value(law, x, 0.9, 0.4, method) for law in (parts, whole))
    np.testing.assert_allclose(got, want, rtol=2e-6)


@pytest.mark.parametrize("sigma", [1e-3, 0.1, 1.0, 50.0])
def test_float32_on_digits_agrees_with_float64(sigma):
    points = digits()
    law = Empirical(jnp.asarray(points, jnp.float32), chunk=500)
    x = (points[7] + sigma * np.random.default_rng(1).normal(size=64)).astype(np.float32)
    log_density, mean, trace = direct(points, x.astype(np.float64), 1.0, sigma)
    got = value(law, x, 1.0, sigma, "log_density")
    # An error of float32 in each coordinate of x is one of eps/sigma standard deviations.
    np.testing.assert_allclose(got, log_density, rtol=1e-6, atol=1e-6 * 64 / min(sigma, 1))
    np.testing.assert_allclose(value(law, x, 1.0, sigma, "posterior_mean"), mean, atol=2e-6)
    trace_got = value(law, x, 1.0, sigma, "posterior_trace")
    np.testing.assert_allclose(trace_got, trace, rtol=1e-4, atol=1e-9)
    score = value(law, x, 1.0, sigma, "score")
    np.testing.assert_allclose(sigma * score, (mean - x) / sigma, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("sigma", [1e-3, 1e-2, 0.1, 1.0, 50.0])
@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_the_score_in_float32_is_precise_at_every_noise_level(alpha, sigma):
    """``sigma s`` is of order one, and the rounding of a mean would be ``6e-8 |x| / sigma``."""
    generator = np.random.default_rng(2)
    points = (1 + sigma * generator.normal(size=(23, 64)) / 8).astype(np.float32)
    law = Empirical(jnp.asarray(points), chunk=10)
    x = (alpha * points[7] + sigma * generator.normal(size=64)).astype(np.float32)
    points, exact_x = points.astype(np.float64), x.astype(np.float64)
    mean = direct(points, exact_x, alpha, sigma)[1]
    score = value(law, x, alpha, sigma, "score")
    want = (alpha * mean - exact_x) / sigma
    np.testing.assert_allclose(sigma * score, want, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", SDES)
def test_score_is_the_gradient_of_the_log_density_along_every_process(name):
    with jax.enable_x64(True):
        sde, law = SDES[name](), Empirical(jnp.asarray(POINTS), chunk=7)

        @jax.jit
        def both(t):
            x = sde.alpha(t) * jnp.array([0.4, -0.9, 0.1]) + sde.sigma(t)
            return law.score_fn(sde)(x, t), jax.grad(law.log_density_fn(sde))(x, t)

        for t in (0.05, 0.4, 0.95):
            np.testing.assert_allclose(*both(t), rtol=1e-9, atol=1e-12)


def test_posterior_trace_agrees_with_tweedies_second_order():
    with jax.enable_x64(True):
        law, x = Empirical(jnp.asarray(POINTS), chunk=7), jnp.array([0.3, -0.2, 0.8])
        want = Distribution.posterior_trace(law, x, 0.8, 0.6)
        np.testing.assert_allclose(law.posterior_trace(x, 0.8, 0.6), want, rtol=1e-9)


def test_at_low_noise_the_posterior_is_the_nearest_point():
    law = Empirical(jnp.asarray(POINTS, jnp.float32), chunk=6)
    x = jnp.asarray(POINTS[11] + 1e-6, jnp.float32)
    np.testing.assert_allclose(law.posterior_mean(x, 1.0, 1e-5), POINTS[11], rtol=1e-6)
    assert value(law, x, 1.0, 1e-5, "posterior_trace") < 1e-12


def test_entropy_at_low_noise_is_that_of_the_index_and_of_the_kernel():
    law, sigma = Empirical(jnp.asarray(POINTS, jnp.float32)), 1e-3
    nats, error = law.entropy(jax.random.key(0), 1.0, sigma, samples=64)
    want = np.log(23) + 1.5 * np.log(2 * np.pi * np.e * sigma**2)
    np.testing.assert_allclose(nats, want, rtol=1e-6)
    assert error < 1e-5


def test_samples_are_the_points_in_equal_shares():
    law = Empirical(jnp.arange(4.0)[:, None])
    x = np.asarray(jax.vmap(law.sample)(jax.random.split(jax.random.key(0), 10_000)))
    shares = np.bincount(x[:, 0].astype(int), minlength=4) / len(x)
    assert np.all(np.abs(shares - 0.25) < 4 * np.sqrt(0.25 * 0.75 / len(x)))


@pytest.mark.parametrize("method", ["log_density", "score", "posterior_mean"])
def test_sigma_of_zero_is_refused(method):
    with pytest.raises(ValueError, match="sigma = 0"):
        getattr(Empirical(jnp.ones((3, 2))), method)(jnp.ones(2), 1.0, 0.0)
