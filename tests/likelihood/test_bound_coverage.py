"""Tests that intervals of the bounds cover the estimated value with the stated frequency."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_laws import LAWS, draw, exact_prior, keys

from gradlog.likelihood import make_bound, make_vlb
from gradlog.models import BoundModel
from gradlog.sde_lib import SDES

EPS, SAMPLES, REPETITIONS = 1e-2, 128, 200
# An estimator, a law and a process.
CASES = {
    "dsm": (functools.partial(make_bound, form="dsm"), "mixture", "vp"),
    "ssm": (functools.partial(make_bound, form="ssm"), "plane", "ve"),
    "vlb": (functools.partial(make_vlb, vlb_steps=10), "plane", "vp"),
}


@functools.cache
def compiled(name: str):
    """Return a function of repetitions at one point."""
    estimator, law_name, sde_name = CASES[name]
    law, sde = LAWS[law_name], SDES[sde_name]()
    estimate = estimator(SAMPLES, EPS, prior_log_prob=exact_prior(law, sde))
    x = draw(law, sde, EPS, count=1)
    xs = jnp.broadcast_to(x, (REPETITIONS, *law.shape))
    score = law.score_fn(sde)

    def run(factor):
        repeated = keys(REPETITIONS, seed=4)
        return estimate(BoundModel(sde, lambda x, t: factor * score(x, t)), xs, repeated)

    return jax.jit(run)


@functools.cache
def repeat(name: str, factor: float):
    """Repeat the estimate with a score that is off by a factor."""
    return jax.device_get(compiled(name)(factor))


@pytest.mark.parametrize("factor", [1.0, 0.9])
@pytest.mark.parametrize("name", CASES)
def test_intervals_cover_the_estimators_own_expectation(name, factor):
    got = repeat(name, factor)
    inside = np.abs(got.nats - got.nats.mean()) < 1.96 * got.standard_error
    assert 0.90 <= inside.mean() <= 0.99


@pytest.mark.parametrize("name", CASES)
def test_variance_is_unbiased(name):
    got = repeat(name, 1.0)
    stated, found = np.mean(got.standard_error**2), np.var(got.nats, ddof=1)
    spread = np.std(got.standard_error**2) / np.sqrt(REPETITIONS)
    # A sample variance of n normals has the relative error sqrt(2/(n - 1)).
    error = np.hypot(spread, found * np.sqrt(2 / (REPETITIONS - 1)))
    assert abs(stated - found) < 4 * error
