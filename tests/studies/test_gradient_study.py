"""The draws behind the picture of gradients: data and noise must be independent."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.configs.theory import gradient_variance
from gradlog.distributions import Gaussian
from gradlog.models import BoundModel, Continuous
from gradlog.sde_lib import VP
from gradlog.studies.gradient_variance import (
    measure_gaps,
    measure_gradients,
    variance_by_schedule,
)
from gradlog.theory.gradients import GradientMoments

STD, SDE = 1.5, VP()
_DRAWS = {"standard_error": 0.0, "draws": 2}


class Gain:
    """A model with ``sigma s = gain x``."""

    dequantizer = Continuous()

    def bind(self, params):
        return BoundModel(SDE, lambda x, t: params * x / SDE.sigma(t))


@pytest.fixture(scope="module")
def run():
    """A run on Gaussian data in one dimension; equal keys would give equal data and noise."""
    law = Gaussian(jnp.zeros(1), jnp.full(1, STD))
    experiment = SimpleNamespace(model=Gain(), dataset=SimpleNamespace(law=law, shape=(1,)))
    return SimpleNamespace(
        experiment=experiment,
        config=gradient_variance.get_config(),
        params=lambda: jnp.asarray(-0.3),
    )


def test_gradient_moments_are_those_of_independent_data_and_noise(run):
    """``d/df 1/2 (f x + z)^2 = f x^2 + x z``, of which ``z = (sigma/v) x + e`` and x is Gaussian.

    Its mean is ``f v + sigma``, its variance ``2 (f v + sigma)^2 + v - sigma^2``.
    """
    times = jnp.array([0.05, 0.4])
    found = measure_gradients(run, "dsm", times, 8192)
    for t, moments in zip(times, found, strict=True):
        alpha, sigma = float(SDE.alpha(t)), float(SDE.sigma(t))
        variance = (alpha * STD) ** 2 + sigma**2
        slope = -0.3 * variance + sigma
        want = 2 * slope**2 + variance - sigma**2
        assert abs(moments.total_variance - want) < 4 * moments.standard_error
        assert moments.standard_error < 0.1 * want
        assert abs(float(moments.mean) - slope) < 4 * np.sqrt(want / moments.draws)


def test_the_measured_gap_is_the_posterior_variance(run):
    """On a Gaussian it is ``1/2 (1 - sigma^2/v)``, for every score."""
    times = jnp.array([0.05, 0.4])
    gaps = measure_gaps(run, times, 5000)
    mean, error = gaps["difference"].T
    assert np.all(np.abs(mean) < 4 * error)
    sigma2 = np.square([float(SDE.sigma(t)) for t in times])
    alpha2 = np.square([float(SDE.alpha(t)) for t in times])
    want = 0.5 * alpha2 * STD**2 / (alpha2 * STD**2 + sigma2)
    np.testing.assert_allclose(gaps["theory"][:, 0], want, rtol=1e-4)
    assert np.all(np.abs(gaps["measured"][:, 0] - want) < 4 * gaps["measured"][:, 1])
    assert np.all(gaps["measured"][:, 1] < 0.1 * want)


def test_variance_over_levels_is_that_of_the_density_they_are_drawn_from():
    """With ``4 M = exp(2 log rho)`` and no mean each integral has a closed form."""
    times = SDE.ladder(1e-2, 400)
    log_rho = np.array([SDE.log_rho(t) for t in times], float)
    rows = [
        GradientMoments({"w": np.zeros(2)}, {}, total_variance=np.exp(2 * level) / 4, **_DRAWS)
        for level in log_rho
    ]
    found = variance_by_schedule(SDE, times, rows)
    last, first = log_rho[0], log_rho[-1]
    square = (np.exp(2 * last) - np.exp(2 * first)) / 2
    even, best = square * (last - first), (np.exp(last) - np.exp(first)) ** 2
    # The trapezoidal rule with 400 nodes has an error of some 1e-4.
    np.testing.assert_allclose(found["levels even in log rho"], even, rtol=1e-3)
    np.testing.assert_allclose(found["the best density of levels"], best, rtol=1e-3)
    assert found["times even in t"] > best
    mean = [GradientMoments({"w": np.ones(2)}, {}, total_variance=0.0, **_DRAWS) for _ in rows]
    alike = variance_by_schedule(SDE, times, mean)["levels even in log rho"]
    np.testing.assert_allclose(alike, 0, atol=1e-3)
