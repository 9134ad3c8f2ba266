"""The image-like Gaussian against its covariance matrix, formed entry by entry."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from gradlog.distributions import StationaryGaussian, natural_images
from gradlog.sde_lib import SDES

SHAPES = [(4, 4, 3), (4, 6, 1), (3, 5, 3)]  # even and odd, with and without color


def law(shape):
    """Its mean is not zero, so that a mean left out is noticed."""
    mean = np.random.default_rng(0).normal(size=shape)
    return natural_images(shape, std=0.5).replace(mean=jnp.asarray(mean, float))


def matrix(oracle, gain):
    """What ``filtered`` applies, column by column."""
    basis = jnp.eye(oracle.mean.size).reshape(-1, *oracle.shape)
    return np.asarray(jax.vmap(lambda e: oracle.filtered(gain, e).ravel())(basis)).T


def covariance(oracle):
    """By plane waves: independent of the transform's code."""
    height, width, colors = oracle.shape
    # The rows of the opponent transform: lightness, blue-yellow, red-green.
    opponent = np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]], float)
    opponent /= np.linalg.norm(opponent, axis=1, keepdims=True)
    mixing = opponent if colors == 3 else np.eye(1)
    waves = np.kron(np.fft.fft(np.eye(height)), np.fft.fft(np.eye(width)))
    waves = np.kron(waves / np.sqrt(height * width), mixing)
    return (waves.conj().T @ (np.asarray(oracle.power).ravel()[:, None] * waves)).real


@pytest.mark.parametrize("shape", SHAPES)
def test_log_density_is_that_of_the_covariance_matrix_at_every_noise_level(shape):
    with jax.enable_x64(True):
        oracle = law(shape)
        x = np.random.default_rng(1).normal(size=shape)
        for alpha, sigma in [(1.0, 0.0), (0.7, 0.1), (0.01, 1.0)]:
            noisy = alpha**2 * covariance(oracle) + sigma**2 * np.eye(x.size)
            want = multivariate_normal(alpha * oracle.mean.ravel(), noisy).logpdf(x.ravel())
            np.testing.assert_allclose(oracle.log_density(x, alpha, sigma), want, rtol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("t", [1e-3, 0.3, 0.99])
def test_score_is_the_gradient_of_the_log_density(shape, t):
    with jax.enable_x64(True):
        sde, oracle = SDES["vp"](), law(shape)
        x = jnp.asarray(np.random.default_rng(1).normal(size=shape))
        want = jax.grad(oracle.log_density_fn(sde))(x, t)
        np.testing.assert_allclose(oracle.score_fn(sde)(x, t), want, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("shape", SHAPES)
def test_samples_have_the_mean_and_the_covariance(shape):
    oracle, count = law(shape), 20_000
    draw = jax.jit(jax.vmap(oracle.sample))
    x = np.asarray(draw(jax.random.split(jax.random.key(0), count)), np.float64)
    x = x.reshape(count, -1)
    want = covariance(oracle)
    variance = np.diag(want)
    # Five standard errors each: the largest of some thousand entries lies below.
    error = np.sqrt(variance / count)
    assert np.all(np.abs(x.mean(0) - np.asarray(oracle.mean).ravel()) < 5 * error)
    error = np.sqrt((np.outer(variance, variance) + want**2) / count)
    assert np.all(np.abs(np.cov(x.T) - want) < 5 * error)


@pytest.mark.parametrize("shape", SHAPES)
def test_squares_off_the_diagonal_are_those_of_the_matrix(shape):
    with jax.enable_x64(True):
        oracle = law(shape)
        gain = jnp.sqrt(oracle.power)
        full = matrix(oracle, gain)
        want = np.sum(full**2) - np.sum(np.diag(full) ** 2)
        np.testing.assert_allclose(oracle.squared_off_diagonal(gain), want, rtol=1e-9)


def test_power_falls_with_the_square_of_the_frequency_and_adds_up_to_the_variance():
    oracle = natural_images((32, 32, 1), std=0.5, floor=0.0)
    np.testing.assert_allclose(oracle.power[1, 0] / oracle.power[4, 0], 16, rtol=1e-5)
    np.testing.assert_allclose(oracle.power.mean(), 0.25, rtol=1e-5)


def test_neighbors_and_colors_of_a_picture_are_alike():
    full = covariance(natural_images((16, 16, 3)))
    correlation = full / np.sqrt(np.outer(np.diag(full), np.diag(full)))
    green, *along_the_row = correlation[0, [1, 3, 6, 12]]
    assert green > 0.8
    assert along_the_row[0] > 0.5
    assert np.all(np.diff(along_the_row) < 0)


def test_it_is_a_tree_of_its_numbers_and_keeps_float32():
    oracle = natural_images((4, 4, 3))
    assert len(jax.tree.leaves(oracle)) == 2
    assert isinstance(jax.tree.map(jnp.copy, oracle), StationaryGaussian)
    score = jax.jit(functools.partial(oracle.score_fn(SDES["vp"]()), t=0.1))(jnp.ones((4, 4, 3)))
    assert score.dtype == jnp.float32


def test_other_numbers_of_colors_are_refused():
    with pytest.raises(ValueError, match="1 or 3, got 2"):
        natural_images((8, 8, 2))
