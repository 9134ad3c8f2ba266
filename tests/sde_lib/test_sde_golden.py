"""Tests of the coefficients and discrete schedules against the official score_flow code."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.models import BoundModel
from gradlog.ode import TimeFlow
from gradlog.sde_lib import SDES

with np.load(Path(__file__).parents[1] / "golden" / "sde_grid.npz") as stored:
    GOLDEN = dict(stored)
T, X = GOLDEN["t"], GOLDEN["x"]


@pytest.mark.parametrize("name", ["vp", "subvp", "ve"])
def test_float32_coefficients_equal_the_stored_float64_ones(name):
    sde = SDES[name]()
    # Ten roundings of float32; the official code's own are off by up to 6e-3 at small t.
    np.testing.assert_allclose(jax.vmap(sde.sigma)(T), GOLDEN[f"{name}/exact64_std"], rtol=1e-6)
    _, g2 = jax.vmap(sde.drift_and_diffusion)(T)
    np.testing.assert_allclose(np.sqrt(g2), GOLDEN[f"{name}/exact64_diffusion"], rtol=1e-6)
    if name != "ve":
        np.testing.assert_allclose(jax.vmap(sde.alpha)(T), GOLDEN[f"{name}/exact64_alpha"], 1e-6)


@pytest.mark.parametrize("name", ["vp", "subvp", "ve"])
def test_drift_and_prior_equal_the_official_ones(name):
    sde = SDES[name]()
    f, _ = jax.vmap(sde.drift_and_diffusion)(T)
    drift = np.reshape(f, (-1, 1, 1, 1)) * X
    np.testing.assert_allclose(drift, GOLDEN[f"{name}/sde_drift"], rtol=1e-6)
    prior = jax.vmap(sde.prior_log_prob)(jnp.asarray(X))
    # The official VE prior adds terms of 20 nats in another order.
    np.testing.assert_allclose(prior, GOLDEN[f"{name}/prior_logp"], rtol=2e-6)


@pytest.mark.parametrize("name", ["vp", "subvp"])
@pytest.mark.parametrize("eps", [1e-5, 1e-3])
def test_range_of_log_rho_equals_half_the_official_normalizer(name, eps):
    sde = SDES[name]()
    got = 2 * (sde.log_rho(sde.t_max) - sde.log_rho(eps))
    # The official Z is a difference of rounded float32 terms of size 40.
    np.testing.assert_allclose(got, GOLDEN[f"{name}/Z_eps{eps:g}"], rtol=1e-5)


def test_ve_has_the_official_noise_levels():
    sigmas = GOLDEN["ve/discrete_sigmas"]
    got = jax.vmap(SDES["ve"]().sigma)(jnp.linspace(0, 1, len(sigmas)))
    np.testing.assert_allclose(got, sigmas, rtol=2e-6)


@pytest.mark.parametrize("name", ["vp", "subvp"])
@pytest.mark.parametrize("eps", [1e-5, 1e-3])
def test_uniform_log_rho_gives_the_times_of_the_official_code(name, eps):
    """The official quantiles run from 0 to Z: twice a difference of log rho."""
    sde = SDES[name]()
    low = sde.log_rho(eps)
    weight = 2 * (jax.vmap(sde.log_rho)(T) - low)
    # The official weight is a difference of rounded float32 terms of size 40.
    np.testing.assert_allclose(weight, GOLDEN[f"{name}/cum_weight_eps{eps:g}"], rtol=0, atol=1e-3)
    quantiles = GOLDEN[f"{name}/iw_quantile_eps{eps:g}"]
    times = jax.vmap(lambda q: sde.time_of_log_rho(low + q / 2))(quantiles)
    np.testing.assert_allclose(times, GOLDEN[f"{name}/iw_time_eps{eps:g}"], rtol=1e-3)


@pytest.mark.parametrize("name", ["vp", "subvp", "ve"])
def test_probability_flow_in_t_equals_the_official_one(name):
    """The score is ``-x/(1 + t)``; where f x and g^2 s/2 cancel, the error is relative to the
    terms.
    """
    sde = SDES[name]()
    velocity = jax.vmap(
        lambda x, t: TimeFlow().velocity(BoundModel(sde, lambda x, t: -x / (1 + t)), t, x)
    )
    got, want = velocity(jnp.asarray(X), jnp.asarray(T)), GOLDEN[f"{name}/pf_drift"]
    # g^2 of sub-VP near t = 0 is a difference in the official code.
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6 * np.abs(want).max())
