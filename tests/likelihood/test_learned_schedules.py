"""Tests of estimators on a learned schedule, whose parameters are far from their start.

A Gaussian has the closed forms of `LogSNR` with the same ends. Only the steps of a VLB that are
even in t, and the flow in t, see what lies between the ends.
"""

import closed_bounds
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_laws import LAWS, draw, exact_prior, in_float64, keys, log_density64
from tiny import optimized

from gradlog.likelihood import Exact, ODELikelihood, make_bound, make_vlb
from gradlog.models import BoundModel
from gradlog.ode import Adaptive, LogRhoFlow, TimeFlow
from gradlog.sde_lib import GammaPath, LearnedGamma

LAW, STEPS, SAMPLES, POINTS = LAWS["gaussian"], 5, 256, 64
SHIFTS = {"network": {"l1": -0.7, "l3": 2.0}, "polynomial": {"a": 2.0, "b": -3.0, "c": 0.1}}


def path(schedule: str) -> GammaPath:
    process = LearnedGamma(schedule=schedule, schedule_features=8)
    inside = process.init(jax.random.key(0))["inside"]
    moved = {name: inside[name] + shift for name, shift in SHIFTS[schedule].items()}
    return process.bind({"inside": inside | moved})


def ends_at_0(process: GammaPath):
    """Return functions that give alpha and sigma at t = 0."""
    alpha, sigma = jax.jit(lambda: process.alpha(0.0)), jax.jit(lambda: process.sigma(0.0))
    return alpha, sigma


def model(process: GammaPath) -> BoundModel:
    return BoundModel(process, LAW.score_fn(process))


def test_log_density_is_exact_to_1e_4_nats_per_dimension():
    """On the path that all estimators along the flow have in common."""
    process = path("network")
    estimate = ODELikelihood(
        *(Adaptive(1e-6, 1e-6), LogRhoFlow(), Exact(), 0.0),
        prior_log_prob=exact_prior(LAW, process),
    )
    xs = draw(LAW, process, 0.0, count=8)
    got = optimized(lambda xs, keys: estimate(model(process), xs, keys))(xs, keys(8))
    assert np.all(got.ok)
    truth = log_density64(LAW, xs, *ends_at_0(process))
    assert np.max(np.abs(np.float64(got.nats) - truth)) / xs[0].size <= 1e-4


def test_flow_in_time_follows_the_schedule():
    """In float64: in t, rounding alone has an error of 6e-4 nats per dimension."""
    found = path("network")
    xs = draw(LAW, found, 0.0, count=4)
    with jax.enable_x64(True):
        law, process = in_float64(LAW), in_float64(found)
        prior = exact_prior(law, process)
        estimate = ODELikelihood(
            Adaptive(1e-7, 1e-7), TimeFlow(), Exact(), 0.0, prior_log_prob=prior
        )
        bound = BoundModel(process, law.score_fn(process))
        got = jax.jit(lambda xs, keys: estimate(bound, xs, keys))(in_float64(xs), keys(4))
        truth = log_density64(LAW, xs, *ends_at_0(process))
        np.testing.assert_allclose(got.nats, truth, atol=1e-5)


@pytest.mark.parametrize(("kind", "schedule"), [("bound", "network"), ("vlb", "polynomial")])
def test_bounds_of_a_gaussian_equal_their_closed_forms(kind, schedule):
    process = path(schedule)
    prior = exact_prior(LAW, process)
    xs = draw(LAW, process, 0.0, count=POINTS)
    if kind == "bound":
        estimate = make_bound(SAMPLES, 0.0, prior_log_prob=prior)
        want = closed_bounds.bound(xs, "log_snr", 0.0)
    else:
        estimate = make_vlb(SAMPLES, 0.0, STEPS, "t", prior)
        levels = jax.jit(jax.vmap(process.log_rho))(jnp.linspace(0.0, 1.0, STEPS + 1))
        want = closed_bounds.bound(xs, "log_snr", 0.0, STEPS, grid=np.asarray(levels))
        straight = closed_bounds.bound(xs, "log_snr", 0.0, STEPS, "t")
        assert abs(np.mean(want - straight)) > 0.1  # the bound of K steps sees the inside
    got = optimized(lambda xs, keys: estimate(model(process), xs, keys))(xs, keys(POINTS, seed=3))
    errors = (got.nats - want) / got.standard_error
    # The errors are standard normal: their mean has the error 1/8, their spread 1/sqrt(128).
    assert abs(errors.mean()) < 4 / 8
    assert abs(errors.std() - 1) < 4 / np.sqrt(2 * POINTS)
