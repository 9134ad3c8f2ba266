"""Tests of the bound's terms at stored times and noises against score_flow's official code.

Its integrand at t contains the divergence of the drift, ``[g^2 (...) - 2 d f]`` over the density of
t, where ours has the volume.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.likelihood.bound_forms import denoising, sliced
from gradlog.likelihood.start import reconstruction
from gradlog.models import DiffusionModel
from gradlog.models.noise_labels import ScaledTime
from gradlog.models.parametrizations import Noise
from gradlog.sde_lib import VP
from gradlog.sde_lib.pytree import pytree
from tests.models.official import GOLDEN, load_golden


@pytree
class OfficialVP(VP):
    """VP with the official standard deviation: ``sqrt(B)``, to first order, up to t = 0.01."""

    def log_sigma(self, t):
        early = 0.5 * jnp.log(-2 * self.log_alpha(t))
        return jnp.where(t < 0.0101, early, super().log_sigma(t))


# Bits per dimension.
TOLERANCE = 3e-5
CASES = [(iw, form) for iw in ("iw0", "iw1") for form in ("dsm1", "dsm0")]


@functools.cache
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "bound_vp.npz") as file:
        return dict(file)


def bits(nats) -> np.ndarray:
    return np.asarray(nats, np.float64) / (64 * np.log(2))


@functools.cache
def compiled():
    """Return integrands, prior and reconstruction in float32, like the official ones."""
    net, params, _ = load_golden(GOLDEN / "likelihood_vp.npz")
    sde, x = OfficialVP(), jnp.asarray(golden()["x"])
    model = DiffusionModel(sde, net, Noise(), ScaledTime()).bind({"network": params})
    eps = float(golden()["eps_time"])

    def integrand(x, t, z, v):
        noise = jnp.sum(z**2)
        # Each less what both have as their mean without a network: d, at the draw in the first.
        dsm, ssm = jnp.sum(denoising(model, x, t, z)[0]), jnp.sum(sliced(model, x, t, z, v)[0])
        return dsm - noise, ssm - x.size

    def run(times, noise, probes, last, first):
        dsm, ssm = jax.vmap(jax.vmap(integrand), (None, 0, 0, 0))(x, times, noise, probes)
        step = jax.vmap(lambda x, z: reconstruction(model, x, eps, z))(x, first)
        prior = jax.vmap(lambda x, z: sde.prior_log_prob(sde.perturb(x, sde.t_max, z)))(x, last)
        return {"dsm1": dsm, "dsm0": ssm, "offset": step, "prior": prior}

    return jax.jit(run)


@functools.cache
def evaluate(iw: str):
    stored = {k: golden()[f"{iw}/{k}"] for k in ("times", "noise", "epsilon")}
    ends = [golden()[f"{iw}/{k}"] for k in ("prior_noise", "offset_noise")]
    return jax.device_get(compiled()(*stored.values(), *ends))


def official_integrand(iw: str, form: str) -> np.ndarray:
    """Return our integrand with the drift's divergence and the density of t, in nats."""
    sde, eps = VP(), float(golden()["eps_time"])
    times = jnp.asarray(golden()[f"{iw}/times"])
    drift, g2 = jax.vmap(jax.vmap(sde.drift_and_diffusion))(times)
    sigma = jax.vmap(jax.vmap(OfficialVP().sigma))(times)
    # Uniform in t the official mean leaves the span 1 - eps out.
    normalizer = 2 * (sde.log_rho(sde.t_max) - sde.log_rho(eps))
    inverse_density = normalizer * sigma**2 / g2 if iw == "iw1" else jnp.ones_like(g2)
    return np.asarray(inverse_density * (g2 / sigma**2 * evaluate(iw)[form] - 2 * 64 * drift))


def official_offset(iw: str) -> np.ndarray:
    """Return our offset with the kernel's entropy instead of its log density, in nats."""
    z = golden()[f"{iw}/offset_noise"].reshape(4, -1)
    return -evaluate(iw)["offset"] + 0.5 * (np.sum(z**2, axis=1) - 64)


@pytest.mark.parametrize(("iw", "form"), CASES)
def test_integrands_equal_the_official_ones(iw, form):
    got, want = official_integrand(iw, form), golden()[f"{iw}/{form}/integrand"]
    # Half the mean over times enters the bound; the largest is some 1000 nats.
    assert np.max(np.abs(bits(0.5 * (got - want).mean(axis=0)))) < TOLERANCE
    # Each to some roundings of float32 of the largest terms.
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize("iw", ["iw0", "iw1"])
def test_offset_with_the_kernel_entropy_equals_the_official_one(iw):
    error = bits(official_offset(iw) - golden()[f"{iw}/offset_nats"])
    assert np.max(np.abs(error)) < TOLERANCE


@pytest.mark.parametrize(("iw", "form"), CASES)
@pytest.mark.parametrize("offset", [0, 1])
def test_bits_equal_the_official_ones(iw, form, offset):
    nats = -evaluate(iw)["prior"] + 0.5 * official_integrand(iw, form).mean(axis=0)
    got = bits(nats + offset * official_offset(iw)) + 7
    np.testing.assert_allclose(
        got, golden()[f"{iw}/{form}/offset{offset}/bpd"], rtol=0, atol=TOLERANCE
    )
