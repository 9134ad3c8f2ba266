"""Tests of the DDPM chain against the official schedule, and as a path between its nodes."""

import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.sde_lib import DDPM, VP

with np.load(Path(__file__).parents[1] / "golden" / "sde_grid.npz") as stored:
    GOLDEN = dict(stored)
NODES = np.arange(1, 1001) / 1000


def test_alpha_and_sigma_at_the_nodes_equal_the_official_products():
    alpha, sigma = (jax.vmap(f)(NODES) for f in (DDPM().alpha, DDPM().sigma))
    # A rounding of t is one of log alpha, five here, to 5e-7.
    np.testing.assert_allclose(alpha**2, GOLDEN["vp/alphas_cumprod"], rtol=4e-6)
    np.testing.assert_allclose(alpha, GOLDEN["vp/sqrt_alphas_cumprod"], rtol=2e-6)
    # The official variance is a difference of numbers near one.
    variance = GOLDEN["vp/sqrt_1m_alphas_cumprod"] ** 2
    np.testing.assert_allclose(sigma**2, variance, rtol=2e-6, atol=1e-6)


def test_alpha_ratios_between_nodes_equal_the_official_betas():
    np.testing.assert_allclose(DDPM().betas(), GOLDEN["vp/discrete_betas"], rtol=1e-6)
    with jax.enable_x64(True):
        log_alpha = jax.vmap(DDPM().log_alpha)(np.append(0, NODES))
        share = -np.expm1(2 * np.diff(log_alpha))
    np.testing.assert_allclose(share, GOLDEN["vp/discrete_betas"], rtol=1e-6)


@pytest.mark.parametrize("t", [0.0005, 0.3, 0.70035, 1.0])
def test_drift_at_a_node_belongs_to_the_interval_below(t):
    """A backward step from a node crosses the interval below it."""
    i = int(np.ceil(t * 1000 - 1e-6)) - 1
    f, _ = DDPM().drift_and_diffusion(t)
    np.testing.assert_allclose(f, 500 * np.log1p(-GOLDEN["vp/discrete_betas"][i]), rtol=1e-6)


def test_chain_of_many_steps_tends_to_vp():
    """The half step between the two grids of betas, and the squares of the betas, vanish as 1/N."""
    t = np.linspace(0.1, 1, 10)

    def distance(n):
        return np.abs(jax.vmap(DDPM(num_steps=n).log_alpha)(t) - jax.vmap(VP().log_alpha)(t)).max()

    with jax.enable_x64(True):
        assert 9 < distance(1000) / distance(10_000) < 11


@pytest.mark.parametrize("steps", [1, 20])
def test_beta_of_one_raises(steps):
    with pytest.raises(ValueError, match="num_steps"):
        DDPM(num_steps=steps)


def test_betas_can_be_traced():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = jax.jit(jax.vmap(lambda b: DDPM(beta_max=b).log_alpha(0.5)))(jnp.array([10.0, 20.0]))
    np.testing.assert_allclose(got[1], DDPM().log_alpha(0.5), rtol=1e-6)
    assert got[0] > got[1]
