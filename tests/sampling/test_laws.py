"""Tests of means and covariances of a Gaussian for every stochastic sampler and every process.

A sampler depends on a process only by its coefficients, which ``test_limits.py`` and
``test_predictors_and_correctors.py`` compare step by step for all pairs. So here each sampler and
each process is drawn from once.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gradlog.distributions import Gaussian
from gradlog.models import BoundModel
from gradlog.sampling import (
    DDIM,
    Ancestral,
    DPMSolverSDE,
    EulerMaruyama,
    Heun,
    LogSNRSchedule,
    NoCorrector,
    PredictorCorrector,
    ReverseDiffusion,
)
from gradlog.sde_lib import SDES, LearnedGamma

LAW = Gaussian(mean=jnp.array([-1.0, 0.0, 0.5]), std=jnp.array([0.2, 0.4, 1.0]))
COUNT, EPS = 4000, 1e-2
SCHEDULE = LogSNRSchedule()


def predicting(predictor, steps):
    return PredictorCorrector(predictor, NoCorrector(), steps, EPS, False, SCHEDULE)


SAMPLERS = {
    "euler_maruyama": predicting(EulerMaruyama(), 1000),
    "reverse_diffusion": predicting(ReverseDiffusion(), 1000),
    "ancestral_posterior": predicting(Ancestral("posterior"), 1000),
    "ancestral_beta": predicting(Ancestral("beta"), 1000),
    "ddim_0.5": DDIM(500, EPS, False, SCHEDULE, eta=0.5),
    "heun_churn": Heun(100, EPS, False, SCHEDULE, churn=20.0),
    "dpm_sde": DPMSolverSDE(100, EPS, False, SCHEDULE),
}
PROCESSES = {name: make() for name, make in SDES.items()}
PROCESSES["learned_gamma"] = LearnedGamma(schedule="polynomial").bind(
    {"inside": {"a": jnp.array(2.0), "b": jnp.array(-3.0), "c": jnp.array(1.6)}}
)
CASES = [
    ("euler_maruyama", "vp"),
    ("reverse_diffusion", "ve"),
    ("ancestral_posterior", "subvp"),
    ("ancestral_beta", "vp"),
    ("ddim_0.5", "straight"),
    ("heun_churn", "ve"),
    ("dpm_sde", "ddpm"),
    ("dpm_sde", "log_snr"),
    ("dpm_sde", "learned_gamma"),
]


def test_every_sampler_and_every_process_is_tested():
    assert [{case[i] for case in CASES} for i in (0, 1)] == [set(SAMPLERS), set(PROCESSES)]


@functools.cache
def drawn(sampler, name):
    """Return samples at eps that start in the exact distribution at t_max, and the process."""
    sde = PROCESSES[name]

    def one(key):
        prior_key, path_key = jax.random.split(key)
        z = LAW.sample_at(prior_key, sde.alpha(sde.t_max), sde.sigma(sde.t_max))
        return SAMPLERS[sampler](BoundModel(sde, LAW.score_fn(sde)), z, path_key).x

    return tiny.optimized(jax.vmap(one))(jax.random.split(jax.random.key(1), COUNT))


@pytest.mark.parametrize(("sampler", "name"), CASES)
def test_means_and_covariances_agree_within_three_standard_errors(sampler, name):
    sde, x = PROCESSES[name], np.float64(drawn(sampler, name))
    alpha, sigma = float(sde.alpha(EPS)), float(sde.sigma(EPS))
    std = np.sqrt((alpha * np.float64(LAW.std)) ** 2 + sigma**2)
    residual = (x - alpha * np.float64(LAW.mean)) / std
    covariance = residual.T @ residual / COUNT
    error = np.sqrt((1 + np.eye(3)) / COUNT)
    assert np.abs(residual.mean(axis=0)).max() < 3 / np.sqrt(COUNT)
    assert np.all(np.abs(covariance - np.eye(3)) < 3 * error)
