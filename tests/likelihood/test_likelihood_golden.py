"""Tests of log densities of known distributions against the official score_flow code.

The stored values are exact, or float64 at a tolerance of 1e-8; those of the official solver differ
from them by up to 3e-3 bits/dim. The conventions are the published ones: prior ``N(0, I)`` (VE
``N(0, sigma_max^2 I)``), eps = 1e-5, 256 levels in [-1, 1].
"""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.distributions import Gaussian, GaussianMixture
from gradlog.likelihood import Exact, ODELikelihood, account
from gradlog.models import BoundModel, Uniform
from gradlog.ode import Adaptive, LogRhoFlow
from gradlog.sde_lib import SDES

with np.load(Path(__file__).parents[1] / "golden" / "likelihood_analytic.npz") as stored:
    GOLDEN = dict(stored)
EPS = float(GOLDEN["eps_time"])


def gaussian():
    return Gaussian(mean=jnp.zeros(8), std=jnp.full(8, GOLDEN["s0"]))


def mixture():
    return GaussianMixture(
        weights=jnp.asarray(GOLDEN["gmm_weights"]),
        means=jnp.asarray(GOLDEN["gmm_means"]),
        stds=jnp.full(2, GOLDEN["gmm_std"]),
    )


@functools.cache
def evaluate(case: str):
    """Return the estimate in float64."""
    kind, sde_name = case.split("_")
    with jax.enable_x64(True):
        sde, law = SDES[sde_name](), gaussian() if kind == "gauss" else mixture()
        xs = jnp.asarray(GOLDEN[f"{case}/x"], jnp.float64)
        estimate = ODELikelihood(Adaptive(1e-9, 1e-9), LogRhoFlow(), Exact(), EPS)
        run = jax.jit(lambda xs, keys: estimate(BoundModel(sde, law.score_fn(sde)), xs, keys))
        got = jax.device_get(run(xs, jax.random.split(jax.random.key(0), len(xs))))
        true_prior = jax.jit(jax.vmap(lambda z: law.log_density_fn(sde)(z, sde.t_max)))
        return got, np.asarray(true_prior(got.latent))


def bits_per_dim(parts, dims):
    return account(parts, Uniform(256).log_scale, dims).bits_per_dim


@pytest.mark.parametrize("case", ["gauss_vp", "gauss_subvp", "gauss_ve"])
def test_bits_of_a_gaussian_equal_the_stored_exact_ones(case):
    got, true_prior = evaluate(case)
    # The solver's tolerance of 1e-9, summed over some hundreds of steps.
    bits = bits_per_dim(got.parts, 8)
    np.testing.assert_allclose(bits, GOLDEN[f"{case}/exact_bpd"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(got.latent, GOLDEN[f"{case}/exact_z"], rtol=1e-6, atol=1e-6)
    nats = got.nats - got.parts["prior"] + true_prior
    np.testing.assert_allclose(nats, GOLDEN[f"{case}/exact_logp_t_eps"], rtol=0, atol=1e-5)


def test_bits_of_a_mixture_equal_the_stored_float64_ones():
    got, true_prior = evaluate("gmm_vp")
    want = {name: GOLDEN[f"gmm_vp/{name}"] for name in ("ref64_z", "ref64_bpd_exact_trace")}
    # The stored solve's tolerance of 1e-8, likewise.
    np.testing.assert_allclose(got.latent, want["ref64_z"], rtol=0, atol=1e-6)
    bits = bits_per_dim(got.parts, 2)
    np.testing.assert_allclose(bits, want["ref64_bpd_exact_trace"], rtol=0, atol=1e-6)
    change = got.parts["divergence"] + got.parts["volume"]
    stored = GOLDEN["gmm_vp/ref64_delta_logp_exact_trace"]
    np.testing.assert_allclose(change, stored, rtol=0, atol=1e-6)
    bits = bits_per_dim(got.parts | {"prior": true_prior}, 2)
    np.testing.assert_allclose(bits, GOLDEN["gmm_vp/exact_bpd_true_prior"], rtol=0, atol=1e-6)
