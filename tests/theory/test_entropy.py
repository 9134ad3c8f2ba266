"""The rate of entropy: a closed form on Gaussians, and what autodiff finds on a mixture."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.distributions import Gaussian, GaussianMixture, monte_carlo
from gradlog.sde_lib import SDES
from gradlog.theory.entropy import entropy_at, entropy_rate, entropy_slope

GAUSSIAN = Gaussian(jnp.array([0.5, -1.0]), jnp.array([0.3, 0.8]))
MIXTURE = GaussianMixture(
    jnp.array([0.2, 0.8]), jnp.array([[-1.0, 0.3], [0.7, -0.2]]), jnp.array([0.1, 0.3])
)
TIMES = [0.02, 0.2, 0.5, 0.9]
SAMPLES = 4096


@functools.cache
def compiled(estimate, name, samples=SAMPLES):
    return jax.jit(lambda law, t, key: estimate(law, SDES[name](), t, key, samples))


@pytest.mark.parametrize("name", SDES)
def test_slope_of_a_gaussians_entropy_is_the_closed_form(name):
    with jax.enable_x64(True):
        law = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, np.float64)), GAUSSIAN)
        sde = SDES[name]()

        @jax.jit
        def both(t):
            f, g2 = sde.drift_and_diffusion(t)
            # E||score||^2 of a Gaussian is the trace of its precision.
            want = 0.5 * g2 * jnp.sum(1 / law.variance(sde.alpha(t), sde.sigma(t))) + 2 * f
            return want, entropy_slope(law, sde, t, jax.random.key(0), 2)

        for t in TIMES:
            want, (got, error) = both(t)
            np.testing.assert_allclose(got, want, rtol=1e-5)
            assert error < 1e-10 * abs(got)


@pytest.mark.parametrize("name", ["vp", "ve"])
def test_rate_by_scores_is_the_slope_of_a_gaussians_entropy(name):
    for t in TIMES:
        rate, error = compiled(entropy_rate, name)(GAUSSIAN, t, jax.random.key(0))
        slope, _ = compiled(entropy_slope, name, 2)(GAUSSIAN, t, jax.random.key(0))
        assert abs(rate - slope) < 4 * error


@pytest.mark.parametrize("name", ["vp", "ve"])
def test_rate_by_scores_is_the_slope_of_a_mixtures_entropy(name):
    for t in TIMES:
        rate, rate_error = compiled(entropy_rate, name)(MIXTURE, t, jax.random.key(0))
        slope, slope_error = compiled(entropy_slope, name)(MIXTURE, t, jax.random.key(1))
        assert abs(rate - slope) < 3 * np.hypot(rate_error, slope_error)
        by_scores = rate - 2 * SDES[name]().drift_and_diffusion(t)[0]  # the rest cancels much of it
        assert rate_error < 0.05 * by_scores
        assert slope_error < 0.05 * by_scores


@pytest.mark.parametrize("name", ["vp", "ve"])
def test_the_integral_of_the_rate_is_the_gain_of_entropy(name):
    """Within three standard errors, the rate's drawn at random times: no quadrature error."""
    sde, low, high = SDES[name](), 0.1, 0.6

    def gain(key):
        time_key, x_key = jax.random.split(key)
        t = jax.random.uniform(time_key, minval=low, maxval=high)
        f, g2 = sde.drift_and_diffusion(t)
        alpha, sigma = sde.alpha(t), sde.sigma(t)
        square = jnp.sum(MIXTURE.score(MIXTURE.sample_at(x_key, alpha, sigma), alpha, sigma) ** 2)
        return (high - low) * (0.5 * g2 * square + 2 * f)

    got, error = jax.jit(lambda key: monte_carlo(gain, key, 8192))(jax.random.key(2))
    ends = [compiled(entropy_at, name)(MIXTURE, t, jax.random.key(3)) for t in (low, high)]
    want = ends[1][0] - ends[0][0]
    assert abs(got - want) < 3 * np.hypot(error, np.hypot(ends[0][1], ends[1][1]))
    assert error < 0.05 * want
