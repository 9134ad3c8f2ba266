"""Tests of the whole predictor-corrector sampler against score_sde's loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.models import BoundModel
from gradlog.sampling import (
    Ancestral,
    EulerMaruyama,
    NoCorrector,
    NoPredictor,
    PredictorCorrector,
    ReverseDiffusion,
)
from gradlog.sampling.transitions import posterior_mean
from gradlog.sde_lib import DDPM, SDES

N = 1000
X = np.linspace(-1, 1, 6, dtype=np.float32)
KEY = jax.random.key(0)
BETAS = np.linspace(0.1 / N, 20 / N, N)


def flow_score(sde):
    """The score of data ``N(0, 1/4)``, which stay Gaussian under every process."""

    def score(x, t):
        return -x / (sde.alpha(t) ** 2 / 4 + sde.sigma(t) ** 2)

    return score


def score_at(alpha, sigma, x):
    return -x / (alpha**2 / 4 + sigma**2)


def sampled(sde, predictor, eps=1e-3, steps=N):
    sampler = PredictorCorrector(predictor, NoCorrector(), steps, eps)
    found = jax.jit(lambda z: sampler(BoundModel(sde, flow_score(sde)), z, KEY))(jnp.asarray(X))
    assert found.nfe == sampler.evaluations == steps
    return np.asarray(found.x)


def test_flow_of_the_ddpm_chain_equals_score_sdes_loop_to_its_last_step():
    """``x + (1 - sqrt(1 - beta_i)) x + beta_i s / 2`` from i = N - 1 to 0, in float64.

    The last step of score_sde is half a step of the flow; ours removes all noise, as its stochastic
    loop does.
    """
    alpha_bar = np.cumprod(1 - BETAS)
    x = X.astype(np.float64)
    for i in range(N - 1, 0, -1):
        score = score_at(np.sqrt(alpha_bar[i]), np.sqrt(1 - alpha_bar[i]), x)
        x = (2 - np.sqrt(1 - BETAS[i])) * x + BETAS[i] * score / 2
    alpha, beta = np.sqrt(alpha_bar[0]), BETAS[0]
    wanted = (x + beta * score_at(alpha, np.sqrt(beta), x)) / alpha
    np.testing.assert_allclose(sampled(DDPM(), ReverseDiffusion(True)), wanted, rtol=2e-4)


@pytest.mark.parametrize("name", ["vp", "subvp"])
def test_euler_on_the_flow_equals_score_sdes_loop(name):
    """``t_k = linspace(1, 1e-3, N)``, each step of 1/N (its last excepted, as above)."""
    sde, times = SDES[name](), np.linspace(1, 1e-3, N)

    @jax.jit
    @jax.vmap
    def coefficients(t):
        return *sde.drift_and_diffusion(t), sde.alpha(t), sde.sigma(t)

    with jax.enable_x64(True):
        rows = np.transpose(coefficients(times))
    x = X.astype(np.float64)
    for f, g2, alpha, sigma in rows[:-1]:
        x = x - (f * x - g2 * score_at(alpha, sigma, x) / 2) / N
    *_, alpha, sigma = rows[-1]
    last = (x + sigma**2 * score_at(alpha, sigma, x)) / alpha
    np.testing.assert_allclose(sampled(sde, EulerMaruyama(True)), last, rtol=2e-4)


def test_reverse_diffusion_of_ve_visits_smlds_levels():
    """``x + (s_i^2 - s_{i-1}^2) s / 2``; the last, from the smallest sigma, to none."""
    sigmas = np.exp(np.linspace(np.log(0.01), np.log(50), N))
    x = X.astype(np.float64)
    for i in range(N - 1, 0, -1):
        x = x + (sigmas[i] ** 2 - sigmas[i - 1] ** 2) * score_at(1, sigmas[i], x) / 2
    wanted = x + sigmas[0] ** 2 * score_at(1, sigmas[0], x)
    got = sampled(SDES["ve"](), ReverseDiffusion(True), eps=0.0)
    np.testing.assert_allclose(got, wanted, rtol=2e-3)


def test_last_prediction_is_the_mean_of_ancestral_sampling():
    """From DDPM's node 1 to the clean end: ``(x + beta_0 s) / sqrt(1 - beta_0)``."""
    sde, x, node = DDPM(), jnp.asarray(X), jnp.float32(1 / N)
    mean, std = Ancestral().mean_and_std(BoundModel(sde, flow_score(sde)), x, node, jnp.zeros(()))
    np.testing.assert_allclose(
        posterior_mean(BoundModel(sde, flow_score(sde)), x, node), mean, rtol=1e-6
    )
    assert std == 0


def test_sampler_without_denoising_ends_at_eps():
    sde = SDES["vp"]()
    sampler = PredictorCorrector(NoPredictor(), NoCorrector(), 4, 1e-3, denoise=False)
    found = sampler(BoundModel(sde, flow_score(sde)), jnp.asarray(X), KEY)
    np.testing.assert_array_equal(found.x, X)
    assert found.nfe == sampler.evaluations == 0
