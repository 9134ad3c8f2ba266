"""Tests of importance sampling of the dequantization: tighter, never above the truth."""

import dataclasses
import functools
import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import optimized

from gradlog.distributions import Gaussian
from gradlog.likelihood import ImportanceWeighted, LogProb, ODELikelihood, OneDraw, Rademacher
from gradlog.models import BoundModel, Uniform
from gradlog.ode import Adaptive, LogRhoFlow
from gradlog.sde_lib import SDES

LEVELS, DIMS, IMAGES = 8, 2, 64
# Narrower than a level (1/4), so that where in it the point lies matters.
LAW = Gaussian(mean=jnp.array([0.1, -0.3]), std=jnp.array([0.1, 0.15]))
DEQUANTIZATION = Uniform(LEVELS)
SDE = SDES["vp"]()
MODEL = BoundModel(SDE, LAW.score_fn(SDE), DEQUANTIZATION)
XS = jnp.asarray(np.random.default_rng(0).integers(2, 6, size=(IMAGES, DIMS)).astype(np.uint8))


@dataclass(frozen=True)
class Known:
    """The log density of a known distribution plus a normal error of the probe with this spread."""

    noise: float = 0.0

    def __call__(self, model, xs, keys) -> LogProb:
        nats = jax.vmap(LAW.log_density)(xs)
        errors = self.noise * jax.vmap(jax.random.normal)(keys)
        ones = jnp.ones(len(xs), int)
        reported = {"probes": jnp.full(len(xs), self.noise)}
        nothing = jnp.full(len(xs), jnp.nan)
        return LogProb({"prior": nats + errors}, reported, nothing, xs, 2 * ones, ones, ones == 1)


@functools.partial(optimized, static_argnums=1)
def _estimate(noise, samples, xs, keys):
    stored: Any = ImportanceWeighted(Known(noise), samples) if samples else OneDraw(Known(noise))
    return stored(MODEL, xs, keys)


@functools.cache
def estimate(samples, noise=0.0, repeats=1):
    """Return estimates of every image ``repeats`` times, each with its own key."""
    keys = jax.random.split(jax.random.key(0), IMAGES * repeats)
    return jax.device_get(_estimate(noise, samples, np.tile(XS, (repeats, 1)), keys))


def truth():
    """Return ``log P(k)`` without the unit offset: the mass in the bin over the bin's width."""
    cdf = np.vectorize(lambda x: 0.5 * math.erfc(-x / math.sqrt(2)))
    mean, std = np.asarray(LAW.mean, float), np.asarray(LAW.std, float)
    edges = [-1 + 2 * (np.asarray(XS, float) + side) / LEVELS for side in (0, 1)]
    low, high = (cdf((edge - mean) / std) for edge in edges)
    return np.log((high - low) / (2 / LEVELS)).sum(axis=1)


def gaps(samples, noise=0.0, repeats=1):
    """Return estimate minus truth, in nats."""
    nats = np.asarray(estimate(samples, noise, repeats).nats, float)
    return nats.reshape(repeats, IMAGES) - truth()


def test_one_sample_is_one_draw():
    one, draw = estimate(1), estimate(None)
    np.testing.assert_allclose(one.nats, draw.nats, atol=1e-5)
    np.testing.assert_allclose(one.parts["importance"], 0, atol=1e-6)
    assert np.isnan(one.errors["dequantization"]).all()


def test_bound_increases_with_the_samples_to_the_truth():
    """A bound of K samples is on average below the truth, and below that of more samples."""
    means = []
    for samples in (1, 16, 256):
        gap = gaps(samples, repeats=20).mean(axis=1)
        means.append(gap.mean())
        assert gap.mean() < 4 * gap.std(ddof=1) / math.sqrt(len(gap))
    assert means == sorted(means)
    assert means[0] < -0.5
    assert abs(means[-1]) < 0.01


def test_log_of_the_number_of_samples_is_subtracted():
    """With equal weights of all draws the number of samples has no effect."""

    def flat(model, xs, keys):
        ones = jnp.ones(len(xs))
        return LogProb({"prior": -3 * ones}, {}, ones, xs, ones, ones, ones == 1)

    keys = jax.random.split(jax.random.key(0), IMAGES)
    got = jax.jit(lambda xs: ImportanceWeighted(flat, 20)(MODEL, xs, keys))(XS)
    np.testing.assert_allclose(got.nats, -3, atol=1e-5)
    np.testing.assert_allclose(got.errors["dequantization"], 0, atol=1e-6)


def test_parts_are_means_and_the_importance_part_is_not_negative():
    got = estimate(16)
    assert set(got.parts) == {"prior", "dequantization", "importance"}
    assert np.all(got.parts["importance"] >= -1e-5)
    np.testing.assert_allclose(sum(got.parts.values()), got.nats, rtol=1e-6)
    assert (got.nfe == 32).all()
    assert (got.jvps == 16).all()


def test_error_is_that_of_the_log_mean():
    """Compared with the spread over repetitions, for an image whose draws differ much."""
    repeats, samples = 200, 512
    got = estimate(samples, repeats=repeats)
    nats = np.asarray(got.nats, float).reshape(repeats, IMAGES)
    reported = np.square(got.errors["dequantization"], dtype=float)
    ratio = reported.mean() / nats.var(axis=0, ddof=1).mean()
    # 64 variances, each to sqrt(2/200). The delta method errs by some 10/K here: 0.15 at K = 64.
    assert abs(ratio - 1) < 4 * math.sqrt(2 / repeats / IMAGES) + 10 / samples


def test_common_probes_leave_the_mean_and_independent_ones_increase_it():
    """Independent errors of spread s increase the log of a mean of exponentials by nearly s^2/2."""
    noise, repeats, samples = 1.0, 40, 64
    clean = gaps(samples, repeats=repeats).mean(axis=1)
    common = gaps(samples, noise, repeats).mean(axis=1) - clean
    error = noise / math.sqrt(IMAGES * repeats)
    assert abs(common.mean()) < 4 * error
    independent = with_independent_probes(samples, noise, repeats).mean(axis=1) - clean
    assert independent.mean() > 0.3
    assert independent.mean() < noise**2 / 2 + 4 * error


def with_independent_probes(samples, noise, repeats):
    """Return the mean with another key of the likelihood for each draw, which we do not do."""
    keys = jax.random.split(jax.random.key(0), (samples, IMAGES * repeats))
    one, xs = OneDraw(Known(noise)), np.tile(XS, (repeats, 1))
    run = jax.jit(lambda keys: jax.lax.map(lambda each: one(MODEL, xs, each).nats, keys))
    nats = np.asarray(run(keys), float)
    return (np.logaddexp.reduce(nats) - math.log(samples)).reshape(repeats, IMAGES) - truth()


def test_error_common_to_the_draws_is_reported_as_that_of_the_probes():
    np.testing.assert_allclose(estimate(16, 0.25).errors["probes"], 0.25)


def test_tightened_tightens_the_inner_likelihood():
    flow = ODELikelihood(Adaptive(rtol=1e-4, atol=1e-4), LogRhoFlow(), Rademacher(), eps=1e-3)
    tighter = ImportanceWeighted(flow, 4).tightened()
    assert tighter is not None
    assert tighter.samples == 4
    assert tighter.likelihood == dataclasses.replace(
        flow, solver=Adaptive(rtol=pytest.approx(1e-5), atol=pytest.approx(1e-5))
    )
    assert ImportanceWeighted(Known(), 4).tightened() is None
