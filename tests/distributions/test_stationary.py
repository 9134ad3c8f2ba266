"""The Gaussian of images agrees with its covariance matrix, computed entry by entry."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from gradlog.distributions import StationaryGaussian, natural_images
from gradlog.sde_lib import SDES

SHAPES = [(4, 6, 1), (3, 5, 3)]  # even and odd, without and with color


def law(shape):
    """Return a distribution with a mean, so that a missing mean is noticed."""
    mean = np.random.default_rng(0).normal(size=shape)
    return natural_images(shape, std=0.5).replace(mean=jnp.asarray(mean, float))


def matrix(distribution, gain):
    """Return the matrix of ``apply_filter``, column by column."""
    basis = jnp.eye(distribution.mean.size).reshape(-1, *distribution.shape)
    return np.asarray(jax.vmap(lambda e: distribution.apply_filter(gain, e).ravel())(basis)).T


def covariance(distribution):
    """Return the covariance by plane waves, independently of the transform's code."""
    height, width, colors = distribution.shape
    # The rows of the opponent transform: lightness, blue-yellow, red-green.
    opponent = np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]], float)
    opponent /= np.linalg.norm(opponent, axis=1, keepdims=True)
    mixing = opponent if colors == 3 else np.eye(1)
    waves = np.kron(np.fft.fft(np.eye(height)), np.fft.fft(np.eye(width)))
    waves = np.kron(waves / np.sqrt(height * width), mixing)
    return (waves.conj().T @ (np.asarray(distribution.power).ravel()[:, None] * waves)).real


@pytest.mark.parametrize("shape", SHAPES)
def test_log_density_agrees_with_the_covariance_matrix_at_every_noise_level(shape):
    with jax.enable_x64(True):
        distribution = law(shape)
        x = np.random.default_rng(1).normal(size=shape)
        log_density = jax.jit(distribution.log_density)
        for alpha, sigma in [(1.0, 0.0), (0.7, 0.1), (0.01, 1.0)]:
            noisy = alpha**2 * covariance(distribution) + sigma**2 * np.eye(x.size)
            want = multivariate_normal(alpha * distribution.mean.ravel(), noisy).logpdf(x.ravel())
            np.testing.assert_allclose(log_density(x, alpha, sigma), want, rtol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_score_is_the_gradient_of_the_log_density(shape):
    with jax.enable_x64(True):
        sde, distribution = SDES["vp"](), law(shape)
        x = np.random.default_rng(1).normal(size=shape)
        gradient = jax.jit(jax.grad(distribution.log_density_fn(sde)))
        score = jax.jit(distribution.score_fn(sde))
        for t in (1e-3, 0.3, 0.99):
            np.testing.assert_allclose(score(x, t), gradient(x, t), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("shape", SHAPES)
def test_samples_have_the_mean_and_the_covariance(shape):
    distribution, count = law(shape), 20_000
    draw = jax.jit(jax.vmap(distribution.sample))
    x = np.asarray(draw(jax.random.split(jax.random.key(0), count)), np.float64)
    x = x.reshape(count, -1)
    want = covariance(distribution)
    variance = np.diag(want)
    # Five standard errors each: the largest of some thousand entries lies below.
    error = np.sqrt(variance / count)
    assert np.all(np.abs(x.mean(0) - np.asarray(distribution.mean).ravel()) < 5 * error)
    error = np.sqrt((np.outer(variance, variance) + want**2) / count)
    assert np.all(np.abs(np.cov(x.T) - want) < 5 * error)


@pytest.mark.parametrize("shape", SHAPES)
def test_squared_off_diagonal_agrees_with_the_matrix(shape):
    with jax.enable_x64(True):
        distribution = law(shape)
        gain = jnp.sqrt(distribution.power)
        full = matrix(distribution, gain)
        want = np.sum(full**2) - np.sum(np.diag(full) ** 2)
        np.testing.assert_allclose(distribution.squared_off_diagonal(gain), want, rtol=1e-9)


def test_power_falls_with_the_square_of_the_frequency_and_adds_up_to_the_variance():
    distribution = natural_images((32, 32, 1), std=0.5, floor=0.0)
    np.testing.assert_allclose(distribution.power[1, 0] / distribution.power[4, 0], 16, rtol=1e-5)
    np.testing.assert_allclose(distribution.power.mean(), 0.25, rtol=1e-5)


def test_neighboring_pixels_and_colors_are_correlated():
    full = covariance(natural_images((16, 16, 3)))
    correlation = full / np.sqrt(np.outer(np.diag(full), np.diag(full)))
    green, *along_the_row = correlation[0, [1, 3, 6, 12]]
    assert green > 0.8
    assert along_the_row[0] > 0.5
    assert np.all(np.diff(along_the_row) < 0)


def test_it_is_a_pytree_and_stays_in_float32():
    distribution = natural_images((4, 4, 3))
    assert len(jax.tree.leaves(distribution)) == 2
    assert isinstance(jax.tree.map(jnp.copy, distribution), StationaryGaussian)
    score = jax.jit(functools.partial(distribution.score_fn(SDES["vp"]()), t=0.1))(
        jnp.ones((4, 4, 3))
    )
    assert score.dtype == jnp.float32


def test_other_numbers_of_colors_are_refused():
    with pytest.raises(ValueError, match="1 or 3, got 2"):
        natural_images((8, 8, 2))
