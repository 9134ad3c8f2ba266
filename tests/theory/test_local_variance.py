"""The local variance of log p/q, which is the Fisher divergence in the limit."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gradlog.distributions import Gaussian, GaussianMixture
from gradlog.theory.divergences import fisher_divergence, local_variance

CENTERS = jnp.array([[-1.0, 0.3], [0.7, -0.2]])
MIXTURE = GaussianMixture(jnp.array([0.2, 0.8]), CENTERS, jnp.array([0.2, 0.3]))
OTHER = GaussianMixture(jnp.array([0.6, 0.4]), CENTERS + 0.1, jnp.array([0.3, 0.3]))


@functools.cache
def compiled(estimate, **options):
    return jax.jit(lambda *args: estimate(*args, **options))


def in_float64(leaf):
    return jnp.asarray(np.asarray(leaf, np.float64))


def test_local_variance_of_a_quadratic_log_ratio_is_the_closed_form_at_every_width():
    """``log p/q = a x^2 + b x``: its variance over a step h is h^2 slope^2 + 2 a^2 h^4."""
    p, q = Gaussian(jnp.zeros(1), jnp.ones(1)), Gaussian(jnp.array([0.5]), jnp.array([1.5]))
    a = 0.5 * (1 / 1.5**2 - 1)
    fisher = (2 * a) ** 2 + (0.5 / 1.5**2) ** 2
    for width in (0.1, 0.5, 2.0):
        got, error = compiled(local_variance)(p, q, jax.random.key(0), width)
        assert abs(got - fisher - 2 * a**2 * width**2) < 3 * error


def test_local_variance_tends_to_the_fisher_divergence_with_the_square_of_the_width():
    with jax.enable_x64(True):
        laws = jax.tree.map(
            lambda leaf: jnp.asarray(np.asarray(leaf, np.float64)), (MIXTURE, OTHER)
        )
        at = lambda h: compiled(local_variance, samples=2048, neighbors=32)(  # noqa: E731
            *laws, jax.random.key(0), h
        )
        widths = [0.08, 0.04, 0.02, 0.01]
        values = np.array([at(width)[0] for width in widths])
        # The same draws at every width: their differences keep the order though each is noisy.
        ratios = (values[:-2] - values[1:-1]) / (values[1:-1] - values[2:])
        assert np.all(np.abs(ratios - 4) < 0.8), ratios
        limit, error = at(1e-4)
        fisher, fisher_error = compiled(fisher_divergence, samples=8192)(*laws, jax.random.key(1))
        assert abs(limit - fisher) < 3 * np.hypot(error, fisher_error)
