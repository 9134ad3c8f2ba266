"""Entropy and posterior moments of every distribution, against closed forms and quadrature."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.distributions import (
    Distribution,
    Empirical,
    Gaussian,
    GaussianMixture,
    monte_carlo,
    natural_images,
)

LEVELS = [(1.0, 0.1), (0.7, 0.6), (0.05, 1.0)]
DISTRIBUTIONS = {
    "gaussian": Gaussian(jnp.array([0.5, -1.0]), jnp.array([0.3, 0.8])),
    "mixture": GaussianMixture(
        jnp.array([0.2, 0.8]), jnp.array([[-1.0, 0.3], [0.7, -0.2]]), jnp.array([0.3, 0.5])
    ),
    "empirical": Empirical(jnp.array([[-1.0, 0.3], [0.7, -0.2], [0.1, 0.9]]), chunk=2),
    "images": natural_images((2, 2, 1)),
}
PLANE = ["gaussian", "mixture", "empirical"]


@functools.cache
def compiled(method, **options):
    return jax.jit(lambda law, *args: getattr(law, method)(*args, **options))


@jax.jit
def densities(law, xs, alpha, sigma):
    return jax.vmap(lambda x: law.log_density(x, alpha, sigma))(xs)


def by_quadrature(law, alpha, sigma):
    """Return ``-int p log p`` by a grid of the plane."""
    axis = np.linspace(-5, 5, 401)
    grid = jnp.asarray(np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2))
    log_p = np.asarray(densities(law, grid, alpha, sigma), np.float64)
    return -np.sum(np.exp(log_p) * log_p) * (axis[1] - axis[0]) ** 2


@pytest.mark.parametrize("name", PLANE)
@pytest.mark.parametrize("level", LEVELS)
def test_entropy_agrees_with_quadrature_within_its_standard_error(name, level):
    law, want = DISTRIBUTIONS[name], by_quadrature(DISTRIBUTIONS[name], *level)
    nats, error = compiled("entropy", samples=4096)(law, jax.random.key(0), *level)
    assert abs(nats - want) < 4 * error + 2e-5
    assert error < 0.02


@pytest.mark.parametrize("name", ["gaussian", "images"])
def test_entropy_of_a_gaussian_is_exact(name):
    law = DISTRIBUTIONS[name]
    exact, error = law.entropy(jax.random.key(0), 0.7, 0.6)
    assert error == 0
    plain = jax.jit(
        lambda key: monte_carlo(lambda k: Distribution.entropy_draw(law, k, 0.7, 0.6), key, 4096)
    )
    nats, error = plain(jax.random.key(1))
    assert abs(nats - exact) < 4 * error


def test_entropy_of_far_components_has_a_small_standard_error():
    law = GaussianMixture(jnp.array([0.2, 0.8]), jnp.array([[-5.0], [5.0]]), jnp.ones(2))
    nats, error = law.entropy(jax.random.key(0), samples=4096)
    choice = -0.2 * np.log(0.2) - 0.8 * np.log(0.8)
    draw_of_choice = np.sqrt(0.2 * 0.8) * np.log(4) / 64
    assert error < 1.1 * draw_of_choice
    assert abs(nats - choice - 0.5 * np.log(2 * np.pi * np.e)) < 4 * error


@jax.jit
def moments(law, *level):
    """Return mean and trace at a noisy sample, by the closed form and by Tweedie's formula."""
    x = law.sample_at(jax.random.key(3), *level)
    own = law.posterior_mean(x, *level), law.posterior_trace(x, *level)
    return own, (
        Distribution.posterior_mean(law, x, *level),
        Distribution.posterior_trace(law, x, *level),
    )


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("level", LEVELS)
def test_posterior_moments_agree_with_tweedies_formula(name, level):
    with jax.enable_x64(True):
        law = jax.tree.map(
            lambda leaf: jnp.asarray(np.asarray(leaf, np.float64)), DISTRIBUTIONS[name]
        )
        (own_mean, own_trace), (mean, trace) = jax.device_get(moments(law, *level))
    np.testing.assert_allclose(own_mean, mean, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(own_trace, trace, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_posterior_trace_is_the_mean_square_error_of_the_posterior_mean(name):
    law, (alpha, sigma) = DISTRIBUTIONS[name], (0.7, 0.6)

    def excess(key):
        x0 = law.sample(jax.random.split(key)[0])
        x = law.sample_at(key, alpha, sigma)
        square = jnp.sum((x0 - law.posterior_mean(x, alpha, sigma)) ** 2)
        return square - law.posterior_trace(x, alpha, sigma)

    mean, error = jax.jit(lambda key: monte_carlo(excess, key, 8192))(jax.random.key(4))
    assert abs(mean) < 3 * error


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_noisy_samples_satisfy_steins_identities(name):
    """Stein's identities are ``E score = 0`` and ``E score . (x - E x) = -d``."""
    law, level = DISTRIBUTIONS[name], (0.7, 0.6)

    def identities(key):
        x = law.sample_at(key, *level)
        score = law.score(x, *level)
        return jnp.append(score.ravel(), jnp.sum(score * x) + x.size)

    mean, error = jax.jit(lambda key: monte_carlo(identities, key, 8192))(jax.random.key(5))
    assert np.all(np.abs(mean) < 4 * error)


@pytest.mark.parametrize("name", PLANE)
def test_the_default_score_is_the_gradient(name):
    law, x = DISTRIBUTIONS[name], jnp.array([0.4, -0.9])
    np.testing.assert_allclose(
        Distribution.score(law, x, 0.7, 0.6), law.score(x, 0.7, 0.6), rtol=1e-5, atol=1e-6
    )


def test_score_of_the_mixture_is_precise_in_float32_at_small_noise():
    law = DISTRIBUTIONS["mixture"].replace(stds=jnp.array([1e-3, 1e-3]))
    x = jnp.array([-1.0005, 0.3007])
    with jax.enable_x64(True):
        means, x64 = np.asarray(law.means, np.float64), np.asarray(x, np.float64)
        want = (means[0] - x64) / (1e-6 + 1e-8)
    np.testing.assert_allclose(law.score(x, 1.0, 1e-4), want, rtol=1e-5)


def test_a_single_draw_has_no_standard_error():
    with pytest.raises(ValueError, match="samples = 1"):
        DISTRIBUTIONS["mixture"].entropy(jax.random.key(0), samples=1)
