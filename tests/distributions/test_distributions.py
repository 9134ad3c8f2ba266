"""Closed forms agree with automatic differentiation, quadrature and samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from gradlog.distributions import CorrelatedGaussian, Gaussian, GaussianMixture
from gradlog.sde_lib import SDES

DISTRIBUTIONS = {
    "correlated": CorrelatedGaussian.from_covariance(
        np.array([0.5, -1.0]), np.array([[0.5, 0.3], [0.3, 0.4]])
    ),
    "gaussian": Gaussian(jnp.array([0.5, -1.0]), jnp.array([0.3, 0.8])),
    "mixture": GaussianMixture(
        jnp.array([0.2, 0.8]), jnp.array([[-1.0, 0.3], [0.7, -0.2]]), jnp.array([0.3, 0.5])
    ),
}


@pytest.fixture(params=DISTRIBUTIONS)
def distribution(request):
    return DISTRIBUTIONS[request.param]


@pytest.mark.parametrize("name", SDES)
def test_score_is_the_gradient_of_the_log_density(distribution, name):
    with jax.enable_x64(True):
        sde = SDES[name]()

        @jax.jit
        @jax.vmap
        def both(t):
            x = jnp.array([0.4, -0.9]) * sde.alpha(t) + sde.sigma(t)
            return distribution.score_fn(sde)(x, t), jax.grad(distribution.log_density_fn(sde))(
                x, t
            )

        np.testing.assert_allclose(*both(jnp.array([1e-3, 0.3, 0.99])), rtol=1e-6)


@pytest.mark.parametrize("t", [0.05, 0.5])
def test_marginal_density_is_the_convolution(distribution, t):
    sde = SDES["vp"]()
    keys = jax.random.split(jax.random.key(0), 40_000)
    x0 = np.asarray(jax.vmap(distribution.sample)(keys))
    x = np.array([0.3, -0.4])
    alpha, sigma = float(sde.alpha(t)), float(sde.sigma(t))
    kernel = multivariate_normal(x, sigma**2 * np.eye(2)).pdf(alpha * x0)
    want, error = kernel.mean(), kernel.std() / np.sqrt(len(x0))
    got = np.exp(distribution.log_density_fn(sde)(jnp.asarray(x), t))
    assert abs(got - want) < 4 * error


def test_log_density_integrates_to_one(distribution):
    axis = np.linspace(-6, 6, 301)
    grid = jnp.asarray(np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2))
    total = np.exp(jax.vmap(distribution.log_density)(grid)).sum() * (axis[1] - axis[0]) ** 2
    np.testing.assert_allclose(total, 1, rtol=1e-4)


def test_mixture_of_one_component_is_the_gaussian():
    gaussian = Gaussian(jnp.array([0.5, -1.0, 2.0]), jnp.full(3, 0.4))
    mixture = GaussianMixture(jnp.ones(1), gaussian.mean[None], jnp.array([0.4]))
    x = jnp.array([0.1, -0.7, 1.9])
    np.testing.assert_allclose(
        mixture.log_density(x, 0.7, 0.3), gaussian.log_density(x, 0.7, 0.3), rtol=1e-6
    )
