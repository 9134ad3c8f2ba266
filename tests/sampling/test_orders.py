"""Tests of convergence orders of deterministic samplers, on a known distribution in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.distributions import GaussianMixture
from gradlog.models import BoundModel
from gradlog.ode import Adaptive, LogRhoFlow
from gradlog.sampling import (
    DDIM,
    DPMSolver2M,
    DPMSolver3M,
    EulerMaruyama,
    Heun,
    KarrasSchedule,
    LogSNRSchedule,
    NoCorrector,
    PredictorCorrector,
    ProbabilityFlow,
    ReverseDiffusion,
)
from gradlog.sde_lib import SDES

EPS = 0.1
MEANS = [[-1.0, 0.5], [0.6, -0.4]]
Z = [[0.3, -1.2], [1.1, 0.4]]
GRID = {"heun": Heun, "2m": DPMSolver2M, "3m": DPMSolver3M, "ddim": DDIM}


def mixture():
    return GaussianMixture(jnp.array([0.3, 0.7]), jnp.array(MEANS), jnp.array([0.4, 0.6]))


def ends(sampler, sde):
    score_fn = mixture().score_fn(sde)
    run = jax.vmap(lambda z: sampler(BoundModel(sde, score_fn), z, jax.random.key(0)).x)
    return np.asarray(jax.jit(run)(sde.prior_std * jnp.array(Z)))


@functools.cache
def solution(name):
    with jax.enable_x64(True):
        solver = Adaptive(1e-11, 1e-11, max_steps=100_000)
        return ends(ProbabilityFlow(solver, LogRhoFlow(), EPS, denoise=False), SDES[name]())


def order(make, name, steps):
    """Return the exponent of the error between two step counts, one twice the other."""
    with jax.enable_x64(True):
        found = [ends(make(n), SDES[name]()) for n in (steps, 2 * steps)]
    coarse, fine = (np.abs(x - solution(name)).max() for x in found)
    return np.log2(coarse / fine)


# A step depends on the process by its coefficients alone, see `test_limits.py`.
@pytest.mark.parametrize(
    ("sampler", "expected", "name", "schedule"),
    [
        ("ddim", 1, "vp", LogSNRSchedule()),
        ("heun", 2, "vp", KarrasSchedule()),
        ("heun", 2, "ve", LogSNRSchedule()),
        ("2m", 2, "vp", LogSNRSchedule()),
        ("3m", 3, "vp", KarrasSchedule()),
        ("3m", 3, "straight", LogSNRSchedule()),
    ],
)
def test_order_of_convergence(sampler, expected, name, schedule):
    make = lambda n: GRID[sampler](n, EPS, denoise=False, schedule=schedule)  # noqa: E731
    assert abs(order(make, name, 160) - expected) < 0.2


def test_published_third_order_step_is_of_second_order():
    make = lambda n: DPMSolver3M(  # noqa: E731
        n, EPS, denoise=False, schedule=LogSNRSchedule(), published_third=True
    )
    assert abs(order(make, "vp", 160) - 2) < 0.2


@pytest.mark.parametrize(
    ("predictor", "name"), [(EulerMaruyama, "vp"), (EulerMaruyama, "ve"), (ReverseDiffusion, "vp")]
)
def test_predictors_of_the_flow_are_of_first_order(predictor, name):
    def make(n):
        schedule = LogSNRSchedule()
        return PredictorCorrector(predictor(True), NoCorrector(), n, EPS, False, schedule)

    assert abs(order(make, name, 320) - 1) < 0.2
