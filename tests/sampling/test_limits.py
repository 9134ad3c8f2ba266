"""Tests of samplers in their limits, and of published algorithms line by line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.distributions import Gaussian
from gradlog.models import BoundModel
from gradlog.sampling import (
    DDIM,
    Ancestral,
    DPMSolver2M,
    DPMSolver3M,
    DPMSolverSDE,
    Heun,
    KarrasSchedule,
    Langevin,
    NoPredictor,
)
from gradlog.sampling.correctors import AnnealedLangevinDynamics
from gradlog.sde_lib import DDPM, SDES, VE

X = np.array([0.3, -1.2, 2.0])
Z = np.array([0.7, 0.1, -0.4])
SCORE = np.array([-1.0, 0.5, 0.2])
GAUSSIAN = Gaussian(mean=jnp.array([-1.0, 0.0, 2.0]), std=jnp.array([0.5, 1.0, 1.5]))
EPS = 1e-2


def grid_step(sampler, sde, t, t_next):
    """Return the first step from X, in x, with the noise Z."""
    y = X / sde.alpha(t)
    y, _ = sampler.step(BoundModel(sde, lambda *_: SCORE), y, sampler.memory(y), t, t_next, Z)
    return np.asarray(y * sde.alpha(t_next))


def ancestral_step(sde, t, t_next):
    mean, std = Ancestral("posterior").mean_and_std(BoundModel(sde, lambda *_: SCORE), X, t, t_next)
    return np.asarray(mean + std * Z)


@pytest.mark.parametrize("name", SDES)
@pytest.mark.parametrize("sampler", [DDIM(1, EPS, eta=1.0), DPMSolverSDE(1, EPS)])
def test_full_noise_step_is_ancestral_with_the_posterior_variance(sampler, name):
    """DDIM with eta one, and the first step of SDE-DPM-Solver++, which has no slope yet."""
    with jax.enable_x64(True):
        sde = SDES[name]()
        got, want = (f(sde, 0.5, 0.45) for f in (lambda *a: grid_step(sampler, *a), ancestral_step))
    np.testing.assert_allclose(got, want, rtol=1e-10)


@pytest.mark.parametrize("name", SDES)
@pytest.mark.parametrize("sampler", [DDIM(1, EPS), DPMSolver2M(1, EPS), DPMSolver3M(1, EPS)])
def test_first_step_without_noise_is_an_euler_step_of_the_flow_in_rho(sampler, name):
    with jax.enable_x64(True):
        sde = SDES[name]()
        got = grid_step(sampler, sde, 0.5, 0.45)
        alpha, alpha_next, sigma, sigma_next = (
            np.asarray(f(t)) for f in (sde.alpha, sde.sigma) for t in (0.5, 0.45)
        )
    rho, rho_next = sigma / alpha, sigma_next / alpha_next
    want = alpha_next * (X / alpha + (rho_next - rho) * -sigma * SCORE)
    np.testing.assert_allclose(got, want, rtol=1e-10)


@pytest.mark.parametrize("t", [0.001, 0.3, 1.0])
def test_ancestral_step_of_the_chain_is_that_of_ho_et_al(t):
    """Their eq. 7 at the predicted x0, with both of their choices of the variance."""
    i = round(1000 * t)
    betas = np.linspace(1e-4, 2e-2, 1000)
    bar = np.append(1.0, np.cumprod(1 - betas))
    beta = betas[i - 1]
    x0 = (X + (1 - bar[i]) * SCORE) / np.sqrt(bar[i])
    mean = np.sqrt(bar[i - 1]) * beta * x0 + np.sqrt(1 - beta) * (1 - bar[i - 1]) * X
    with jax.enable_x64(True):
        step = (BoundModel(DDPM(), lambda *_: SCORE), X, i / 1000, (i - 1) / 1000)
        got = [
            map(np.asarray, Ancestral(name).mean_and_std(*step)) for name in ("posterior", "beta")
        ]
        (small_mean, small), (large_mean, large) = got
    for found in (small_mean, large_mean):
        np.testing.assert_allclose(found, mean / (1 - bar[i]), rtol=1e-9)
    np.testing.assert_allclose(large**2, beta, rtol=1e-9)
    np.testing.assert_allclose(small**2, beta * (1 - bar[i - 1]) / (1 - bar[i]), rtol=1e-9)


# --- Heun -----------------------------------------------------------------------------------


def heun(sde, **options):
    """Return a sample as a function of the key."""
    sampler = Heun(8, EPS, schedule=KarrasSchedule(), **options)
    z = sde.prior_std * jnp.asarray(X)
    run = jax.jit(lambda key: sampler(BoundModel(sde, GAUSSIAN.score_fn(sde)), z, key).x)
    return lambda seed: np.asarray(run(jax.random.key(seed)))


def test_heun_without_churn_is_a_function_of_its_latent():
    sde = SDES["vp"]()
    still, quiet, churned = heun(sde), heun(sde, churn=40.0, churn_max=1e-9), heun(sde, churn=40.0)
    np.testing.assert_array_equal(still(0), still(1))
    # No level of noise lies below 1e-9.
    np.testing.assert_allclose(quiet(0), still(0), rtol=1e-5)
    assert np.abs(churned(0) - still(0)).max() > 0.01


def edm_algorithm_2(denoiser, x, sigmas, noises, churn, low, high, noise_std):
    """Karras et al. 2022, line by line; the last sigma is not zero, so that no step is Euler's."""
    for i in range(len(sigmas) - 1):
        t, t_next = sigmas[i], sigmas[i + 1]
        gamma = min(churn / (len(sigmas) - 1), np.sqrt(2) - 1) if low <= t <= high else 0
        t_hat = t + gamma * t
        x = x + np.sqrt(t_hat**2 - t**2) * noise_std * noises[i]
        d = (x - denoiser(x, t_hat)) / t_hat
        x_next = x + (t_next - t_hat) * d
        d_next = (x_next - denoiser(x_next, t_next)) / t_next
        x = x + (t_next - t_hat) * 0.5 * (d + d_next)
    return x


def test_heun_with_churn_is_algorithm_2_of_karras_et_al():
    mean, std = np.float64(GAUSSIAN.mean), np.float64(GAUSSIAN.std)
    denoiser = lambda x, sigma: mean + std**2 / (std**2 + sigma**2) * (x - mean)  # noqa: E731
    # Above churn_max lies the first level: none is churned beyond the end of the process.
    options = {"churn": 3.0, "churn_min": 0.05, "churn_max": 50.0, "churn_noise": 1.007}
    with jax.enable_x64(True):
        sde, key = VE(0.002, 80.0), jax.random.key(0)
        sampler = Heun(12, 1e-12, False, KarrasSchedule(), **options)
        run = jax.jit(lambda z: sampler(BoundModel(sde, GAUSSIAN.score_fn(sde)), z, key).x)
        got = run(80 * X)
        noises = [jax.random.normal(k, (3,)) for k in jax.random.split(key, 12)]
    sigmas = (80 ** (1 / 7) + np.arange(13) / 12 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    want = edm_algorithm_2(denoiser, 80 * X, sigmas, np.asarray(noises), *options.values())
    # The oracle's arrays are float32 of numbers that are exact.
    np.testing.assert_allclose(got, want, rtol=1e-8)


def test_churn_never_exceeds_the_noise_of_t_max():
    levels = []

    def score_fn(x, t):
        jax.debug.callback(lambda t: levels.append(float(t)), t)
        return -x

    sampler = Heun(4, EPS, churn=100.0)
    jax.block_until_ready(
        sampler(BoundModel(SDES["vp"](), score_fn), jnp.asarray(X), jax.random.key(0))
    )
    jax.effects_barrier()
    assert max(levels) == 1.0


# --- correctors -----------------------------------------------------------------------------


def test_norm_axes_use_the_mean_norms_of_the_batch():
    xs = jnp.array([[1.0, 2.0], [-3.0, 0.5], [0.1, 0.2]])
    zs = jnp.array([[0.3, -1.0], [0.2, 0.4], [1.5, 0.1]])
    corrector = Langevin(0.1, norm_axes=("batch",))

    def one(x, z):
        return corrector.step(BoundModel(SDES["ve"](), lambda x, t: -2 * x), x, 0.5, 0.4, z)[1]

    got = jax.jit(jax.vmap(one, axis_name="batch"))(xs, zs)
    norms = [np.linalg.norm(v, axis=1).mean() for v in (zs, -2 * xs)]
    size = 2 * (0.1 * norms[0] / norms[1]) ** 2
    np.testing.assert_allclose(got, (1 - 2 * size) * xs, rtol=1e-6)


def test_langevin_step_shrinks_with_the_signal_of_the_next_step():
    """The factor is ``1 - beta_i`` on the chain: 0.98 at its end."""
    with jax.enable_x64(True):
        sizes = [
            float(Langevin().size(sde, SCORE, 1.0, 0.999, Z)) for sde in (DDPM(), SDES["ve"]())
        ]
    np.testing.assert_allclose(sizes[0] / sizes[1], 0.98, rtol=1e-9)


def test_annealed_langevin_has_the_stationary_variance_of_its_linear_chain():
    """``x' = (1 - e/v) x + sqrt(2 e) z`` rests at ``v / (1 - e/(2v))``, ``e = 2 (snr sigma)^2``."""
    sde, snr, t, steps, count = VE(), 0.3, 0.5, 60, 10_000
    v = float(sde.sigma(t)) ** 2
    corrector = AnnealedLangevinDynamics(snr, steps)
    times = jnp.float32(t), jnp.float32(t)
    x = jax.jit(
        lambda k: corrector(BoundModel(sde, lambda x, t: -x / v), jnp.zeros(count), *times, k)
    )(jax.random.key(0))
    # Three standard errors of a variance.
    np.testing.assert_allclose(np.var(x), v / (1 - snr**2), rtol=3 * np.sqrt(2 / count))


def test_no_predictor_leaves_x_and_needs_no_evaluations():
    step = (BoundModel(SDES["vp"](), lambda x, t: SCORE), X, 0.5, 0.4, jax.random.key(0))
    np.testing.assert_array_equal(NoPredictor()(*step), jnp.asarray(X))
    assert NoPredictor().evaluations == 0


@pytest.mark.parametrize(
    ("make", "name"),
    [(lambda: DDIM(4, EPS, eta=1.5), "eta"), (lambda: Ancestral("gamma"), "ancestral_variance")],
)
def test_invalid_settings_raise(make, name):
    with pytest.raises(ValueError, match=name):
        make()
