"""Tests of the path of VDM: it preserves variance, is linear in the log-SNR, and is never clean."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.models import BoundModel
from gradlog.ode import FLOWS
from gradlog.sde_lib import VP, LogSNR


def test_variance_is_preserved_and_log_snr_is_linear():
    sde, t = LogSNR(), jnp.linspace(0, 1, 41)
    alpha, sigma = jax.vmap(sde.alpha)(t), jax.vmap(sde.sigma)(t)
    np.testing.assert_allclose(alpha**2 + sigma**2, 1, rtol=1e-6)
    np.testing.assert_allclose(2 * np.log(sigma / alpha), -13.3 + 18.3 * t, atol=3e-6)


def test_noise_at_time_zero_is_positive():
    """VDM's reconstruction term needs this noise."""
    sde = LogSNR()
    np.testing.assert_allclose(sde.sigma(0.0), 1 / np.sqrt(1 + np.exp(13.3)), rtol=1e-6)
    np.testing.assert_allclose(sde.ladder(0.0, 5), [1, 0.75, 0.5, 0.25, 0], atol=1e-6)


@pytest.mark.parametrize("variable", FLOWS)
def test_flow_equals_that_of_every_variance_preserving_path(variable):
    """All these paths visit the same points (alpha, sigma); only their clocks differ."""
    flow, ours, vp = FLOWS[variable](), LogSNR(gamma_min=-8.0, gamma_max=4.0), VP()
    score_fn = lambda x, t: -x * 0.7  # noqa: E731
    x, t = jnp.array([0.3, -1.2]), 0.4
    other = vp.time_of_log_rho(ours.log_rho(t))
    speeds = [
        flow.velocity(BoundModel(sde, score_fn), flow.coordinate(sde, at), flow.state(sde, x, at))
        / (1 if variable == "log_rho" else sde.log_rho_rate(at))
        for sde, at in ((ours, t), (vp, other))
    ]
    np.testing.assert_allclose(speeds[0], speeds[1], rtol=2e-5)


def test_growing_log_snr_raises():
    with pytest.raises(ValueError, match=r"gamma_min = 5.0 must be below gamma_max = -13.3"):
        LogSNR(gamma_min=5.0, gamma_max=-13.3)
