"""Tests that 95 per cent intervals cover the estimated value with the stated frequency.

The intervals of the quadrature and of the bounds are in their own files.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import tiny

from gradlog.distributions import natural_images
from gradlog.likelihood import (
    DIVERGENCES,
    AsSample,
    Exact,
    ImportanceWeighted,
    ODELikelihood,
    OneDraw,
    Rademacher,
)
from gradlog.models import BoundModel, Continuous, Uniform
from gradlog.ode import Fixed, LogRhoFlow
from gradlog.sde_lib import VP

LAW, SDE, EPS, REPEATS = natural_images((4, 4, 1)), VP(), 1e-3, 200
# One with independent draws, and those whose draws share something: the unbiasedness and the
# variance of every kind are those of its traces in test_divergence.py.
RANDOM = {
    "rademacher": {"probes": 8},
    "orthogonal": {"probes": 8, "colors": 3},  # neither exact nor a color for every channel
    "hutchpp": {"probes": 8, "rank": 2},
}


def path_integral(divergence, repeats):
    """Return the integral of one image for many probes."""
    x = SDE.perturb(
        LAW.sample(jax.random.key(1)), EPS, jax.random.normal(jax.random.key(2), (4, 4, 1))
    )
    likelihood = ODELikelihood(Fixed(12), LogRhoFlow(), divergence, EPS, AsSample())
    keys = jax.random.split(jax.random.key(3), repeats)
    call = tiny.optimized(lambda xs: likelihood(BoundModel(SDE, LAW.score_fn(SDE)), xs, keys))
    return jax.device_get(call(jnp.broadcast_to(x, (repeats, *x.shape))))


@functools.cache
def exact_integral():
    return float(path_integral(Exact(), 1).nats[0])


def covered(got, expectation):
    """Return the share of intervals that contain the expectation."""
    half = scipy.stats.t.ppf(0.975, got.freedom) * got.standard_error
    return np.mean(np.abs(np.asarray(got.nats, float) - expectation) <= half)


@pytest.mark.parametrize("name", RANDOM)
def test_intervals_of_a_path_integral_cover(name):
    got = path_integral(DIVERGENCES[name](**RANDOM[name]), REPEATS)
    expectation = exact_integral()
    assert 0.90 <= covered(got, expectation) <= 0.99
    assert abs(got.nats.mean() - expectation) < 4 * got.nats.std() / np.sqrt(REPEATS)


def test_error_of_one_draw_is_unknown():
    likelihood = ODELikelihood(Fixed(2), LogRhoFlow(), Rademacher(1), EPS, AsSample())
    stored, xs = OneDraw(likelihood), jnp.zeros((2, 4, 4, 1))
    keys = jax.random.split(jax.random.key(0), 2)
    got = jax.jit(lambda xs: stored(BoundModel(SDE, LAW.score_fn(SDE), Continuous()), xs, keys))(xs)
    assert np.isnan(got.standard_error).all()


def test_intervals_of_importance_samples_cover():
    """Their expectation, below the truth, is the mean over the repetitions."""
    samples, levels = 256, 64
    exact = ODELikelihood(Fixed(6), LogRhoFlow(), Exact(), EPS, AsSample())
    stored = ImportanceWeighted(exact, samples)
    k = Uniform(levels).to_data(jnp.clip(LAW.sample(jax.random.key(1)), -1, 1))
    keys = jax.random.split(jax.random.key(3), REPEATS)
    run = jax.jit(lambda xs: stored(BoundModel(SDE, LAW.score_fn(SDE), Uniform(levels)), xs, keys))
    got = jax.device_get(run(jnp.broadcast_to(k, (REPEATS, *k.shape))))
    assert 0.90 <= covered(got, got.nats.mean()) <= 0.99
