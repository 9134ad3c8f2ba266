"""Tests of inpainting and colorization against exact conditional distributions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gradlog.distributions import CorrelatedGaussian, GaussianMixture
from gradlog.models import BoundModel
from gradlog.sampling import (
    AnnealedLangevinDynamics,
    Gray,
    KnownPart,
    KnownPixels,
    LogSNRSchedule,
    NoCorrector,
    PredictorCorrector,
    ReplacementSampler,
    ReverseDiffusion,
)
from gradlog.sampling.replacement import systematic_resample
from gradlog.sde_lib import SDES

SDE = SDES["vp"]()
COUNT, FEW = 1500, 400  # samples of one particle, of many
RNG = np.random.default_rng(0)


def _covariance(dims):
    factor = RNG.normal(size=(dims, dims))
    return factor @ factor.T / (2 * dims) + 0.1 * np.eye(dims)


VECTOR = CorrelatedGaussian.from_covariance(np.array([0.5, -0.3, 0.2, 0.1]), _covariance(4))
IMAGE = CorrelatedGaussian.from_covariance(0.3 * RNG.normal(size=(1, 2, 3)), _covariance(6))
MIXTURE = GaussianMixture(
    jnp.array([0.3, 0.5, 0.2]),
    jnp.array([[0.8, 0.6, -0.5], [-0.6, 0.2, 0.7], [0.3, -0.9, -0.1]]),
    jnp.array([0.35, 0.3, 0.4]),
)
FIRST_TWO = KnownPart(
    KnownPixels(jnp.array([True, True, False, False])), jnp.array([1.0, 0.2, 0.0, 0.0])
)
COLORLESS = KnownPart(Gray(), Gray()(IMAGE.mean + 0.5))
FIRST = KnownPart(KnownPixels(jnp.array([True, False, False])), jnp.array([0.1, 0.0, 0.0]))


def sampler(known, *, steps=100, corrector_steps=5, particles=1):
    corrector = AnnealedLangevinDynamics(0.2, corrector_steps) if corrector_steps else NoCorrector()
    inner = PredictorCorrector(
        ReverseDiffusion(), corrector, steps, 1e-3, schedule=LogSNRSchedule()
    )
    return ReplacementSampler(inner, known, particles)


def one(sample, law, key):
    prior_key, path_key = jax.random.split(key)
    return sample(
        BoundModel(SDE, law.score_fn(SDE)), SDE.prior_sample(prior_key, law.shape), path_key
    ).x


def draw(sample, law):
    keys = jax.random.split(jax.random.key(0), COUNT if sample.particles == 1 else FEW)
    x = np.asarray(tiny.optimized(jax.vmap(functools.partial(one, sample, law)))(keys))
    projected = jax.jit(jax.vmap(sample.known.projection))(x)
    want = np.broadcast_to(sample.known.part, x.shape)
    np.testing.assert_allclose(projected, want, rtol=0, atol=1e-6)  # every sample has it exactly
    return x


def matrix(law, projection):
    """Return the projection as a matrix on the flattened datum."""
    units = np.eye(int(np.prod(law.shape)), dtype=np.float32).reshape(-1, *law.shape)
    return np.asarray(jax.vmap(projection)(units)).reshape(len(units), -1).T


def deviations(x, mean, covariance):
    """Return errors of the moments of the unknown part of x, in standard errors."""
    free = np.diag(covariance) > 1e-6
    x, mean, V = x.reshape(len(x), -1)[:, free], mean.ravel()[free], covariance[free][:, free]
    variances = np.diag(V)
    of_mean = (x.mean(0) - mean) / np.sqrt(variances / len(x))
    of_covariance = (np.cov(x.T) - V) / np.sqrt((np.outer(variances, variances) + V**2) / len(x))
    return np.abs(of_mean).max(), np.abs(of_covariance).max()


def test_particles_give_a_colored_gaussian_its_exact_conditional_moments():
    exact = IMAGE.condition(matrix(IMAGE, COLORLESS.projection), COLORLESS.part)
    x = draw(sampler(COLORLESS, steps=300, particles=16), IMAGE)
    moments = np.asarray(exact.mean), np.asarray(exact.covariance)
    assert max(deviations(x, *moments)) < 3


def test_corrector_steps_remove_the_bias_of_replacement_on_a_gaussian():
    exact = VECTOR.condition(matrix(VECTOR, FIRST_TWO.projection), FIRST_TWO.part)
    moments = np.asarray(exact.mean), np.asarray(exact.covariance)
    corrected = draw(sampler(FIRST_TWO, corrector_steps=80), VECTOR)
    assert max(deviations(corrected, *moments)) < 3
    replaced = draw(sampler(FIRST_TWO, corrector_steps=0), VECTOR)
    assert max(deviations(replaced, *moments)) > 5


def conditional_of_the_mixture():
    """Return mean and covariance of the last two coordinates conditional on the first."""
    stds, means = np.asarray(MIXTURE.stds), np.asarray(MIXTURE.means)
    square = (float(FIRST.part[0]) - means[:, 0]) ** 2 / stds**2
    weights = np.asarray(MIXTURE.weights) * np.exp(-0.5 * square) / stds
    weights /= weights.sum()
    mean = weights @ means[:, 1:]
    off = means[:, 1:] - mean
    covariance = (weights * stds**2).sum() * np.eye(2) + (weights[:, None] * off).T @ off
    return mean, covariance


def test_particles_and_not_correctors_give_the_right_weights_of_modes():
    moments = conditional_of_the_mixture()
    filtered = draw(sampler(FIRST, steps=200, corrector_steps=1, particles=64), MIXTURE)
    assert max(deviations(filtered[:, 1:], *moments)) < 3
    corrected = draw(sampler(FIRST, corrector_steps=40), MIXTURE)
    assert max(deviations(corrected[:, 1:], *moments)) > 5


def test_path_of_the_known_part_has_the_marginals_of_the_process():
    """From t_max in three steps: ``N(alpha y, sigma^2)`` in the known entries, zero elsewhere."""
    times = jnp.array([SDE.t_max, 0.6, 0.3, 0.05])

    def path(key):
        keys = jax.random.split(key, 4)
        part = FIRST_TWO.start(SDE, keys[0])
        for t, t_next, step_key in zip(times[:-1], times[1:], keys[1:], strict=True):
            part = FIRST_TWO.step(SDE, part, t, t_next, step_key)
        return part

    count = 20_000
    x = np.asarray(jax.jit(jax.vmap(path))(jax.random.split(jax.random.key(2), count)))
    alpha, sigma = float(SDE.alpha(0.05)), float(SDE.sigma(0.05))
    np.testing.assert_array_equal(x[:, 2:], 0)
    error = sigma / np.sqrt(count)
    np.testing.assert_allclose(x[:, :2].mean(0), alpha * FIRST_TWO.part[:2], atol=3 * error)
    np.testing.assert_allclose(x[:, :2].std(0), sigma, atol=3 * error / np.sqrt(2))


def test_resampling_draws_in_proportion_to_the_weights():
    weights = jnp.array([0.5, 0.3, 0.15, 0.05])
    keys = jax.random.split(jax.random.key(3), 4000)
    resample = jax.jit(jax.vmap(lambda key: systematic_resample(jnp.log(weights), key)))
    drawn = np.asarray(resample(keys))
    counts = np.stack([(drawn == k).sum(1) for k in range(4)], axis=1)
    np.testing.assert_allclose(counts.mean(0), 4 * weights, atol=0.03)
    assert np.all(np.abs(counts - 4 * np.asarray(weights)) < 1)


@pytest.mark.parametrize("log_weights", [jnp.zeros(5), jnp.full(5, jnp.nan)])
def test_resampling_keeps_particles_of_equal_or_invalid_weights(log_weights):
    assert systematic_resample(log_weights, jax.random.key(0)).tolist() == [0, 1, 2, 3, 4]


def test_evaluations_of_all_particles_are_counted():
    """Each particle has ten times three corrections and nine predictions; one is denoised."""
    found = sampler(FIRST, steps=10, corrector_steps=3, particles=4)
    assert found.evaluations == 4 * (10 * 3 + 9) + 1
    with pytest.raises(ValueError, match="particles must be at least 1, got 0"):
        sampler(FIRST, particles=0)
