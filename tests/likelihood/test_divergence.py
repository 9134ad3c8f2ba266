"""Tests of divergence estimators against the exact trace, and of their standard errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_laws import draw, exact_prior, log_density64

from gradlog.distributions import Gaussian
from gradlog.likelihood import (
    DIVERGENCES,
    Exact,
    ODELikelihood,
    Probing,
    Rademacher,
)
from gradlog.models import BoundModel
from gradlog.ode import Fixed, LogRhoFlow
from gradlog.sde_lib import SDES

DIMS = 6
MATRIX = np.random.default_rng(0).normal(size=(DIMS, DIMS)).astype(np.float32)
SYMMETRIC = (MATRIX + MATRIX.T) / 2
POINT = jnp.arange(1.0, DIMS + 1)
OFF = SYMMETRIC - np.diag(np.diag(SYMMETRIC))
TRACELESS = SYMMETRIC - np.trace(SYMMETRIC) / DIMS * np.eye(DIMS)
VARIANCES = {
    "rademacher": 2 * np.sum(OFF**2),
    "gaussian": 2 * np.sum(SYMMETRIC**2),
    "sphere": 2 * DIMS / (DIMS + 2) * np.sum(TRACELESS**2),
    # Two colors of a vector: the even places and the odd ones.
    "probing": 2 * sum(np.sum(OFF[i::2, i::2] ** 2) for i in range(2)),
    # Four classes of 2, 2, 1 and 1 of the six dimensions.
    "orthogonal": 2 * np.sum(OFF**2) * (2 * 1 + 2 * 1) / (DIMS * (DIMS - 1)),
}
OWN = {"probing": {"colors": 2}, "orthogonal": {"colors": 4}, "hutchpp": {"rank": 2}}
RANDOM = sorted(DIVERGENCES.keys() - {"exact"})
MANY = 40_000


def made(name, **arguments):
    return DIVERGENCES[name](**arguments, **OWN.get(name, {}))


def linear(x):
    return MATRIX @ x


def twisted(x):
    """A nonlinear field on data that are not a vector."""
    return jnp.sin(x) * jnp.sum(x**2) + jnp.roll(x, 1, axis=0) ** 3


def traces(divergence, f, x, seed=0):
    run = jax.jit(lambda x, key: divergence(f, x, divergence.draw(key, x.shape)))
    return jax.device_get(run(x, jax.random.key(seed)))


@pytest.mark.parametrize("name", VARIANCES)
def test_random_probes_are_unbiased_with_the_stated_variance(name):
    value, draws = traces(made(name, probes=MANY), linear, POINT)
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


@pytest.mark.parametrize("chunk", [1, 5, 12, 128])
def test_exact_trace_equals_that_of_the_jacobian_for_every_chunk(chunk):
    x = jnp.linspace(-1, 1, 12).reshape(3, 2, 2)
    # The derivative of sum(x^2) sin(x_i) by x_i; the rolled term is off the diagonal.
    want = np.sum(np.cos(x) * np.sum(x**2) + 2 * np.sin(x) * x)
    _, draws = traces(Exact(chunk), twisted, x)
    assert draws.shape == (1,)
    np.testing.assert_allclose(draws[0], want, rtol=1e-6)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_shape_of_data_value_of_the_field_and_float64_are_unchanged(name):
    x = np.linspace(-1, 1, 12).reshape(3, 2, 2)
    with jax.enable_x64(True):
        value, draws = traces(DIVERGENCES[name](), twisted, x)
    assert value.dtype == draws.dtype == jnp.float64
    want = np.sin(x) * np.sum(x**2) + np.roll(x, 1, axis=0) ** 3
    np.testing.assert_allclose(value, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", RANDOM)
def test_number_of_draws_and_products_is_as_stated(name):
    """A callback counts every vector along which the field is differentiated."""
    divergence, seen = made(name, probes=3), []

    @jax.custom_jvp
    def field(x):
        return jnp.sin(x)

    @field.defjvp
    def _(primals, tangents):
        jax.debug.callback(seen.append, tangents[0])
        return field(*primals), jnp.cos(primals[0]) * tangents[0]

    value, draws = divergence(field, POINT, divergence.draw(jax.random.key(0), POINT.shape))
    jax.effects_barrier()
    assert draws.shape == (3,)
    assert len(seen) == divergence.products(DIMS)
    np.testing.assert_allclose(value, np.sin(POINT), rtol=1e-6)


@pytest.mark.parametrize("name", RANDOM)
def test_one_probe_has_no_standard_error_and_several_that_of_their_mean(name):
    one, three = made(name, probes=1), made(name, probes=3)
    assert np.isnan(one.variance_of_mean(jnp.ones(1)))
    want = np.var([1, 2, 6], ddof=1) / 3
    draws = jnp.array([[1.0, 2.0, 6.0], [6.0, 1.0, 2.0]])
    np.testing.assert_allclose(three.variance_of_mean(draws), [want, want], rtol=1e-6)


def test_exact_trace_has_no_error():
    assert Exact().variance_of_mean(jnp.ones(1)) == 0
    assert Exact().products(768) == 768


REPEATS = 600


def test_standard_error_of_a_log_density_equals_the_spread():
    """Over repetitions with other probes the spread is the reported error, and the mean the truth.

    The Gaussian has correlations, so that no kind of probe is exact. Intervals by other kinds are
    in test_coverage.py, and the variances of their traces above.
    """
    sde, law = SDES["vp"](), Gaussian(mean=jnp.zeros(4), std=jnp.array([0.05, 0.3, 0.6, 1.0]))
    rotation = np.linalg.qr(MATRIX[:4, :4])[0]
    score = law.score_fn(sde)
    prior = exact_prior(law, sde)
    estimate = ODELikelihood(
        Fixed(40),
        LogRhoFlow(),
        Probing(4, colors=2),
        1e-5,
        prior_log_prob=lambda z: prior(rotation.T @ z),
    )
    x = draw(law, sde, 1e-5, count=1)
    run = jax.jit(
        lambda xs, keys: estimate(
            BoundModel(sde, lambda x, t: rotation @ score(rotation.T @ x, t)), xs, keys
        )
    )
    keys = jax.random.split(jax.random.key(0), REPEATS)
    got = jax.device_get(run(jnp.tile(x @ rotation.T, (REPEATS, 1)), keys))
    spread, reported = np.std(got.nats), np.sqrt(np.mean(got.standard_error**2))
    # A standard deviation from 600 normal draws has an error of 3 per cent.
    assert abs(reported / spread - 1) < 0.09
    truth = log_density64(law, x, lambda: sde.alpha(1e-5), lambda: sde.sigma(1e-5))
    assert abs(np.mean(got.nats) - truth[0]) < 4 * spread / np.sqrt(REPEATS)
