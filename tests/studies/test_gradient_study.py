"""The draws behind the picture of gradients: data and noise must be independent."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.configs.theory import gradient_variance
from gradlog.distributions import Gaussian
from gradlog.models import BoundModel, Continuous
from gradlog.sde_lib import VP
from gradlog.studies.gradient_variance import measure_gaps, measure_gradients

STD, SDE = 1.5, VP()


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
