"""Estimators of the trace against the trace, and the standard errors they report."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_laws import draw, exact_prior, log_density64

from likelihood import DIVERGENCES, Exact, ODELikelihood, Rademacher
from likelihood import Gaussian as GaussianProbes
from oracles import Gaussian
from sde_lib import SDES
from solvers import Fixed, LogRhoFlow

DIMS = 6
MATRIX = np.random.default_rng(0).normal(size=(DIMS, DIMS)).astype(np.float32)
SYMMETRIC = (MATRIX + MATRIX.T) / 2
POINT = jnp.arange(1.0, DIMS + 1)
VARIANCES = {
    "rademacher": 2 * (np.sum(SYMMETRIC**2) - np.sum(np.diag(SYMMETRIC) ** 2)),
    "gaussian": 2 * np.sum(SYMMETRIC**2),
}
MANY = 40_000


def linear(x):
    return MATRIX @ x


def twisted(x):
    """A field that is not linear, on data that is not a vector."""
    return jnp.sin(x) * jnp.sum(x**2) + jnp.roll(x, 1, axis=0) ** 3


def traces(divergence, f, x, seed=0):
    run = jax.jit(lambda x, key: divergence(f, x, divergence.draw(key, x.shape)))
    return jax.device_get(run(x, jax.random.key(seed)))


@pytest.mark.parametrize("name", VARIANCES)
def test_random_probes_are_unbiased_with_the_variance_of_the_formula(name):
    value, draws = traces(DIVERGENCES[name](probes=MANY), linear, POINT)
    np.testing.assert_allclose(value, MATRIX @ np.asarray(POINT), rtol=1e-5)
    draws = np.asarray(draws, np.float64)
    assert draws.shape == (MANY,)
    # Four standard errors of a sample mean, and of a sample variance.
    deviation = draws - draws.mean()
    variance = np.mean(deviation**2)
    assert abs(draws.mean() - np.trace(MATRIX)) < 4 * np.sqrt(variance / MANY)
    error = np.sqrt((np.mean(deviation**4) - variance**2) / MANY)
    assert abs(variance - VARIANCES[name]) < 4 * error
    assert error < 0.02 * VARIANCES[name]


def test_random_signs_are_exact_on_a_diagonal():
    _, draws = traces(Rademacher(5), lambda x: jnp.arange(1.0, 7.0) * x, POINT)
    np.testing.assert_allclose(draws, 21.0, rtol=1e-6)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_shapes_of_data_and_values_of_fields_are_kept(name):
    x = jnp.linspace(-1, 1, 12).reshape(3, 2, 2)
    value, _ = traces(DIVERGENCES[name](), twisted, x)
    np.testing.assert_allclose(value, twisted(x), rtol=1e-6)


@pytest.mark.parametrize("chunk", [1, 5, 12, 128])
def test_exact_trace_is_that_of_the_jacobian_in_chunks_of_any_size(chunk):
    x = jnp.linspace(-1, 1, 12).reshape(3, 2, 2)
    # The derivative of sum(x^2) sin(x_i) by x_i; the rolled term is off the diagonal.
    want = np.sum(np.cos(x) * np.sum(x**2) + 2 * np.sin(x) * x)
    _, draws = traces(Exact(chunk), twisted, x)
    assert draws.shape == (1,)
    np.testing.assert_allclose(draws[0], want, rtol=1e-6)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_float64_is_kept_where_it_is_enabled(name):
    with jax.enable_x64(True):
        x = jnp.linspace(-1, 1, 12).reshape(3, 2, 2)
        value, draws = traces(DIVERGENCES[name](), twisted, x)
    assert value.dtype == draws.dtype == jnp.float64


@pytest.mark.parametrize("name", VARIANCES)
def test_one_probe_gives_no_standard_error_and_several_that_of_their_mean(name):
    one, three = DIVERGENCES[name](probes=1), DIVERGENCES[name](probes=3)
    assert np.isnan(one.standard_error(jnp.ones(1)))
    want = np.std([1, 2, 6], ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(three.standard_error(jnp.array([1.0, 2.0, 6.0])), want, rtol=1e-6)


def test_the_exact_trace_has_no_error():
    assert Exact().standard_error(jnp.ones(1)) == 0


REPEATS = 600


@pytest.mark.parametrize("divergence", [Rademacher(4), GaussianProbes(4)])
def test_the_standard_error_of_a_log_density_is_honest(divergence):
    """Over repetitions with other probes, the spread is what is reported, and the mean the truth.

    The law is a Gaussian with correlations, so that neither kind of probe is exact.
    """
    sde, law = SDES["vp"](), Gaussian(mean=jnp.zeros(4), std=jnp.array([0.05, 0.3, 0.6, 1.0]))
    rotation = np.linalg.qr(MATRIX[:4, :4])[0]
    score = law.score_fn(sde)
    prior = exact_prior(law, sde)
    estimate = ODELikelihood(
        Fixed(40), LogRhoFlow(), divergence, 1e-5, lambda z: prior(rotation.T @ z)
    )
    x = draw(law, sde, 1e-5, count=1)
    run = jax.jit(
        lambda xs, keys: estimate(sde, lambda x, t: rotation @ score(rotation.T @ x, t), xs, keys)
    )
    keys = jax.random.split(jax.random.key(0), REPEATS)
    got = jax.device_get(run(jnp.tile(x @ rotation.T, (REPEATS, 1)), keys))
    spread, reported = np.std(got.nats), np.sqrt(np.mean(got.standard_error**2))
    # A standard deviation from 600 normal draws has an error of 3 per cent.
    assert abs(reported / spread - 1) < 0.09
    truth = log_density64(law, x, lambda: sde.alpha(1e-5), lambda: sde.sigma(1e-5))
    assert abs(np.mean(got.nats) - truth[0]) < 4 * spread / np.sqrt(REPEATS)
