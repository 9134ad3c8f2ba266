"""Tests of probabilities of integers, and of SciPy's path along a table, against the truth."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_laws import EPS, LAWS, draw, exact_prior, in_float64, keys, log_density64

from gradlog.distributions import Gaussian
from gradlog.likelihood import (
    AsSample,
    Exact,
    ImportanceWeighted,
    ODELikelihood,
    SciPyLikelihood,
)
from gradlog.models import BoundModel, Uniform
from gradlog.ode import Adaptive, LogRhoFlow
from gradlog.sde_lib import SDES

LEVELS, SAMPLES, IMAGES = 16, 64, 8
PLANE = {
    "gaussian": Gaussian(mean=jnp.array([0.2, -0.1]), std=jnp.array([0.15, 0.3])),
    "mixture": LAWS["plane"],
}
# Importance samples weigh densities, whose truth test_ode_truth.py has.
CASES = [("mixture", "vp"), ("gaussian", "ve")]


def log_mass(law, k):
    """Return ``log P(k)`` without the unit offset, from Gauss-Legendre quadrature of the bin."""
    nodes, weights = np.polynomial.legendre.leggauss(12)
    u = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2) / 2 + 0.5
    xs = -1 + 2 * (np.asarray(k, float)[:, None] + u) / LEVELS
    density = np.exp(log_density64(law, xs.reshape(-1, 2))).reshape(len(k), -1)
    return np.log(density @ np.outer(weights, weights).ravel() / 4)


@functools.cache
def importance(law_name, sde_name):
    law, sde = PLANE[law_name], SDES[sde_name]()
    solver, prior = Adaptive(1e-5, 1e-5), exact_prior(law, sde)
    base = ODELikelihood(solver, LogRhoFlow(), Exact(), EPS, AsSample(), prior)
    stored = ImportanceWeighted(base, SAMPLES)
    k = Uniform(LEVELS).to_data(draw(law, sde, EPS, count=IMAGES))
    run = jax.jit(
        lambda k, keys: stored(BoundModel(sde, law.score_fn(sde), Uniform(LEVELS)), k, keys)
    )
    return jax.device_get(run(k, keys(IMAGES))), log_mass(law, k)


@pytest.mark.parametrize(("law", "sde"), CASES)
def test_importance_samples_give_the_probability_of_the_integers(law, sde):
    got, want = importance(law, sde)
    # A log of a mean of K lies below by about half its variance, and the flow errs by 1e-3 nats.
    error = got.errors["dequantization"]
    assert np.all(np.abs(got.nats - want) <= 4.5 * error + error**2 + 1e-3)
    assert np.all(error < 0.15)
    assert set(got.parts) >= {"prior", "divergence", "volume", "eps", "importance"}


def test_mean_of_scipy_over_probes_is_the_log_density_for_a_process_with_a_table():
    """Its rates jump at its nodes; of smooth processes test_scipy.py has the exact mean."""
    process, law, repeats = SDES["ddpm"](), PLANE["mixture"], 64
    with jax.enable_x64(True):
        law = in_float64(law)
        x = in_float64(draw(PLANE["mixture"], process, EPS, count=1))
        likelihood = SciPyLikelihood(1e-7, 1e-7, EPS, AsSample(), exact_prior(law, process))
        score = jax.tree_util.Partial(law.score_fn(process))
        got = likelihood(BoundModel(process, score), jnp.tile(x, (repeats, 1)), keys(repeats))
    want = log_density64(law, x, lambda: process.alpha(EPS), lambda: process.sigma(EPS))[0]
    nats = np.asarray(got.nats, float)
    assert np.all(got.ok)
    # In two dimensions a probe takes two values: the mean over 64 is nearly normal.
    assert abs(nats.mean() - want) < 4 * nats.std(ddof=1) / np.sqrt(repeats) + 1e-5
