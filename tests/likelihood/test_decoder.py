"""Tests of the decoder over levels: discrete data without dequantization, where all is known.

Each of two dimensions is one of four levels. With noise, the law is a mixture of narrow Gaussians
whose score is known, so that every bound is tight.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_laws import exact_prior, keys
from tiny import optimized

from gradlog.distributions import GaussianMixture
from gradlog.likelihood import Exact, Noised, ODELikelihood, OneDraw, make_bound
from gradlog.losses import DenoisingScoreMatching, EvidenceBound, UniformLogRho
from gradlog.models import BoundModel
from gradlog.models.dequantizers import Decoder
from gradlog.ode import Adaptive, LogRhoFlow
from gradlog.sde_lib import LogSNR

LEVELS, PROCESS = 4, LogSNR(-8.0, 6.0)
DATA = np.array(list(itertools.product(range(LEVELS), repeat=2)))
PROBABILITY = np.random.default_rng(0).dirichlet(np.ones(len(DATA)))
LAW = GaussianMixture(
    weights=jnp.asarray(PROBABILITY, jnp.float32),
    means=jnp.asarray(-1 + 2 * (DATA + 0.5) / LEVELS, jnp.float32),
    stds=jnp.full(len(DATA), 1e-4),
)
MODEL = BoundModel(PROCESS, LAW.score_fn(PROCESS), Decoder(LEVELS))


def test_decoder_is_a_distribution_over_levels():
    decoder, y, rho = Decoder(LEVELS), jnp.array([0.1, -0.6]), jnp.float32(0.4)

    @jax.jit
    def run():
        points = jax.vmap(lambda x: decoder(jax.random.key(0), x)[0])(DATA)
        return points, jax.vmap(lambda x0: decoder.log_decoder(x0, y, rho))(points)

    points, log_p = run()
    np.testing.assert_allclose(np.sum(np.exp(log_p)), 1, rtol=1e-5)
    assert DATA[np.argmax(log_p)].tolist() == [2, 0]  # the centers are -3/4, -1/4, 1/4, 3/4
    assert decoder.log_scale is None
    assert decoder.to_data(points[7]).tolist() == DATA[7].tolist()


PRIOR = exact_prior(LAW, PROCESS)
ESTIMATORS = {
    "bound": make_bound(512, 0.0, prior_log_prob=PRIOR),
    "ode": ODELikelihood(Adaptive(1e-4, 1e-4), LogRhoFlow(), Exact(), 0.0, Noised(), PRIOR),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_probability_of_a_datum_is_exact_with_the_exact_score(name):
    """The noise at t = 0 is 0.04 widths of a level, so the decoder never errs."""
    estimate = OneDraw(ESTIMATORS[name])
    got = optimized(lambda xs, keys: estimate(MODEL, xs, keys))(jnp.asarray(DATA), keys(len(DATA)))
    error = got.nats - np.log(PROBABILITY)
    if name == "ode":  # its tolerance is 1e-4 in a state whose noise is 0.02
        np.testing.assert_allclose(error, 0, atol=2e-2)
    else:
        assert np.all(np.abs(error) < 4.5 * got.standard_error)
        assert np.mean(got.standard_error) < 0.5


def test_objective_is_the_entropy_of_the_levels():
    objective = EvidenceBound(DenoisingScoreMatching(), 0.0, UniformLogRho(), 0.0)
    count = 16_000
    xs = jnp.asarray(np.repeat(DATA, count // len(DATA), axis=0))
    u = jax.random.permutation(jax.random.key(2), (jnp.arange(count) + 0.5) / count)
    losses = optimized(jax.vmap(lambda *row: objective(MODEL, *row).value))(xs, u, keys(count))
    rows = np.asarray(losses).reshape(len(DATA), -1)
    error = np.sqrt(np.sum(PROBABILITY**2 * rows.var(axis=1) / rows.shape[1]))
    entropy = -np.sum(PROBABILITY * np.log(PROBABILITY)) / 2  # nats per dimension
    assert abs(PROBABILITY @ rows.mean(axis=1) - entropy) < 4 * error + 2e-3
    assert error < 0.05
