"""Tests of the integral over the signal-to-noise ratio, on a law of levels that is known."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_laws import keys
from tiny import optimized

from gradlog.distributions import GaussianMixture
from gradlog.likelihood import make_mmse
from gradlog.models import BoundModel, Decoder, LevelLogits
from gradlog.sde_lib import LogSNR

LEVELS, DIMS, SIGMA_DATA = 4, 2, 0.7
DECODER = Decoder(LEVELS)
DATA = np.array(list(itertools.product(range(LEVELS), repeat=DIMS)))
PROBABILITY = np.random.default_rng(0).dirichlet(np.ones(len(DATA)))
POINTS = np.asarray(DECODER(jax.random.key(0), jnp.asarray(DATA))[0])
REPEATS = 60
WIDTH = 2 / LEVELS  # the distance of two levels


def process(widths: float) -> LogSNR:
    """Return a path whose smallest noise has this many widths of a level, and a large one."""
    return LogSNR(2 * np.log(widths * WIDTH), 8.0)


def model(path: LogSNR, probability) -> BoundModel:
    """Return the model whose logits are what the other entry tells of an entry, by summation."""
    log_p = jnp.log(jnp.asarray(probability, jnp.float32))

    def logits(u, t):
        rho = jnp.exp(path.log_rho(t))
        y = u * jnp.sqrt(rho**2 + SIGMA_DATA**2)
        each = -0.5 * ((y - POINTS) / rho) ** 2  # a row for each datum, a column for each entry
        of_others = log_p[:, None] + jnp.sum(each, axis=1, keepdims=True) - each
        own = DATA[:, :, None] == np.arange(LEVELS)
        return jax.nn.logsumexp(jnp.where(own, of_others[..., None], -jnp.inf), axis=0)

    return BoundModel(path, LevelLogits(LEVELS, True, SIGMA_DATA)(path, logits), DECODER)


def test_logits_of_the_other_entries_give_the_exact_score():
    path = process(0.1)
    law = GaussianMixture(jnp.float32(PROBABILITY), jnp.float32(POINTS), jnp.full(len(DATA), 1e-4))
    xs, ts = np.random.default_rng(1).normal(size=(64, DIMS)), np.linspace(0.3, 1, 64)
    scores = model(path, PROBABILITY).score, law.score_fn(path)
    run = jax.jit(lambda *points: [jax.vmap(score)(*points) for score in scores])
    got, want = run(jnp.float32(xs), jnp.float32(ts))
    np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-4)


@optimized  # one program for all paths and laws
def _estimates(path, probability, xs, keys):
    return make_mmse(512, 0.0)(model(path, probability), xs, keys)


def estimates(path, probability):
    """Return estimates for every datum, and their errors in rows of one datum each."""
    xs = np.repeat(POINTS, REPEATS, axis=0)
    found = jax.device_get(_estimates(path, probability, xs, keys(len(xs))))
    truth = np.repeat(np.log(probability), REPEATS)
    return found, (np.asarray(found.nats, float) - truth).reshape(-1, REPEATS)


def test_the_posterior_mean_gives_the_probability_of_every_datum():
    """By enumeration; on average over the data it is the entropy."""
    found, error = estimates(process(0.08), PROBABILITY)
    spread = error.std(axis=1, ddof=1) / np.sqrt(REPEATS)
    assert np.all(np.abs(error.mean(axis=1)) < 4.5 * spread)
    assert np.hypot.reduce(PROBABILITY * spread) < 0.02  # nats, of an entropy of 2.4
    inside = np.abs(error.ravel()) < 2 * np.asarray(found.standard_error)
    assert 0.90 <= inside.mean() <= 0.99
    assert list(found.parts) == ["mmse"]


def test_what_lies_above_the_largest_ratio_is_charged():
    """Noise of half a level hides much of the entropy, which the end must pay."""
    flat = np.full(len(DATA), 1 / len(DATA))
    _, error = estimates(process(0.5), flat)
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(error.size) < 0.05


def test_what_lies_below_the_smallest_ratio_is_charged():
    """There the denoiser is the middle: the integral of its errors is known."""
    path, flat = LogSNR(2 * np.log(0.08 * WIDTH), 0.0), np.full(len(DATA), 1 / len(DATA))
    _, error = estimates(path, flat)
    # The mean error of the posterior mean over ratios below 1, which the middle replaces.
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    ratios, steps = np.polynomial.legendre.leggauss(20)
    ratios, steps = (ratios + 1) / 2, steps / 2
    x = np.unique(POINTS)
    y = x[:, None, None] + nodes[:, None] / np.sqrt(ratios)  # level, noise, ratio
    law = np.exp(-0.5 * ratios * (y[..., None, :] - x[:, None]) ** 2)
    mean = (law * x[:, None]).sum(2) / law.sum(2)
    mmse = np.einsum("lnr,n,r->", (x[:, None, None] - mean) ** 2, weights, steps)
    mmse *= DIMS / 2 / LEVELS / np.sqrt(2 * np.pi)
    want = mmse - 0.5 * DIMS * np.mean(x**2)
    assert abs(error.mean() - want) < 4 * error.std() / np.sqrt(error.size) < 0.05


def test_an_odd_number_of_draws_is_refused():
    with pytest.raises(ValueError, match="samples"):
        make_mmse(3, 1e-3)
