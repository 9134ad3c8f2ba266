"""Tests of estimators where each dimension has noise levels of its own, on random schedules."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import per_dimension
import pytest
from known_laws import keys
from per_dimension import PROCESS, X, bent, model
from tiny import optimized

from gradlog.likelihood import (
    AsSample,
    Exact,
    ODELikelihood,
    Quadrature,
    make_bound,
    make_exact,
    make_vlb,
)
from gradlog.ode import Adaptive, LogRhoFlow, TimeFlow
from gradlog.sde_lib import check_process

PATH = PROCESS.bind(bent())
GAIN = jnp.array([0.6, 1.0])
SAMPLES, POINTS, STEPS = 256, 64, 5


def exact_prior(x):
    return per_dimension.log_density(x, PATH, 1.0)


@pytest.mark.parametrize("kind", ["ssm", "vlb"])  # of the forms dsm and ssm, one each
def test_bounds_equal_their_closed_forms(kind):
    if kind == "vlb":
        estimate = make_vlb(SAMPLES, 0.0, STEPS, "t")
    else:
        estimate = make_bound(SAMPLES, 0.0, "ssm")
    xs = jnp.broadcast_to(X, (POINTS, 2))
    steps = STEPS if kind == "vlb" else 0
    want = -jax.jit(lambda: per_dimension.bound(PATH, X, GAIN, steps=steps))()
    run = optimized(lambda xs, keys: estimate(model(PATH, GAIN), xs, keys))
    got = run(xs, keys(POINTS, seed=3))
    errors = (got.nats - want) / got.standard_error
    # The errors are standard normal: their mean has the error 1/8, their spread 1/sqrt(128).
    assert abs(errors.mean()) < 4 / 8
    assert abs(errors.std() - 1) < 4 / math.sqrt(2 * POINTS)


@pytest.mark.parametrize("make", [functools.partial(ODELikelihood, divergence=Exact()), make_exact])
def test_flow_in_time_has_the_density_of_the_exact_score(make):
    estimate = make(
        Adaptive(1e-6, 1e-6), TimeFlow(), eps=0.0, start=AsSample(), prior_log_prob=exact_prior
    )
    x0 = np.random.default_rng(2).normal(size=(8, 2))
    xs = np.float32(x0 @ np.linalg.cholesky(per_dimension.COVARIANCE).T + per_dimension.MEAN)
    got = optimized(lambda xs, keys: estimate(model(PATH), xs, keys))(xs, keys(8))
    assert np.all(got.ok)
    # In t rounding alone has an error of some 1e-4 nats per dimension.
    want = jax.jit(lambda xs: per_dimension.log_density(xs, PATH, 0.0))(xs)
    np.testing.assert_allclose(got.nats, want, atol=2e-3)


@pytest.mark.parametrize(
    "estimate",
    [
        ODELikelihood(Adaptive(1e-5, 1e-5), LogRhoFlow(), Exact(), 0.0),
        Quadrature(Adaptive(1e-5, 1e-5), Exact(), 0.0),
        make_vlb(SAMPLES, 0.0, STEPS, "log_rho"),
    ],
)
def test_estimators_in_the_log_rho_of_a_scalar_are_refused(estimate):
    with pytest.raises(ValueError, match="Multivariate"):
        check_process(estimate, PROCESS)
