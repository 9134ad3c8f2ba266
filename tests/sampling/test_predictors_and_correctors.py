"""Tests of single steps against published formulas, and of invariance under correctors."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.models import BoundModel
from gradlog.sampling import EulerMaruyama, Langevin, NoCorrector, ReverseDiffusion
from gradlog.sde_lib import SDES

with np.load(Path(__file__).parents[1] / "golden" / "sde_grid.npz") as stored:
    SIGMAS, BETAS = stored["ve/discrete_sigmas"], stored["vp/discrete_betas"]
X = np.array([0.3, -1.2, 2.0])
SCORE = np.array([-1.0, 0.5, 0.2])
KEY = jax.random.key(0)


def step(predictor, sde, t, t_next):
    x, score = jnp.asarray(X), jnp.asarray(SCORE)
    where = x, jnp.asarray(t), jnp.asarray(t_next)
    mean, std = predictor.mean_and_std(BoundModel(sde, lambda x, t: score), *where)
    moved = predictor(BoundModel(sde, lambda x, t: score), *where, KEY)
    np.testing.assert_array_equal(moved, mean + std * jax.random.normal(KEY, X.shape))
    return moved, mean


@pytest.mark.parametrize("i", [1, 300, 999])
def test_reverse_diffusion_of_ve_equals_smlds(i):
    """``x + (s_i^2 - s_{i-1}^2) score``, plus noise of that variance, on the official ladder."""
    x, mean = step(ReverseDiffusion(), SDES["ve"](), i / 999, (i - 1) / 999)
    variance = np.float64(SIGMAS[i]) ** 2 - np.float64(SIGMAS[i - 1]) ** 2
    # Of a difference of neighboring rungs, float32 keeps four digits of the step, five of x.
    np.testing.assert_allclose(mean - X, variance * SCORE, rtol=3e-4, atol=3e-7)
    z = jax.random.normal(KEY, X.shape)
    np.testing.assert_allclose(x - mean, np.sqrt(variance) * z, rtol=3e-4, atol=3e-7)


@pytest.mark.parametrize("t", [0.1, 0.5, 1.0])
def test_reverse_diffusion_of_vp_tends_to_ddpms_at_second_order(t):
    """``(2 - sqrt(1 - beta_i)) x + beta_i score``, noise ``beta_i``, ``beta_i = beta(t) / N``."""
    with jax.enable_x64(True):
        sde = SDES["vp"]()
        z = np.asarray(jax.random.normal(KEY, X.shape))

        def errors(n):
            beta = float(sde.beta(t)) / n
            x, mean = step(ReverseDiffusion(), sde, t, t - 1 / n)
            wanted = (2 - np.sqrt(1 - beta)) * X + beta * SCORE
            noise = np.asarray((x - mean) / z) ** 2
            return np.abs(mean - wanted).max(), np.abs(noise - beta).max()

        for coarse, fine in zip(errors(1000), errors(10_000), strict=True):
            assert 80 < coarse / fine < 125
            assert coarse < 1e-3


def test_ddpm_betas_are_those_of_the_linear_schedule():
    got = jax.vmap(SDES["vp"]().beta)(jnp.linspace(0, 1, 1000)) / 1000
    np.testing.assert_allclose(got, BETAS, rtol=1e-6)


@pytest.mark.parametrize("name", SDES)
def test_predictors_agree_as_the_step_tends_to_zero(name):
    """Both are of first order, so their difference is of second order, in the noise too."""
    with jax.enable_x64(True):
        sde = SDES[name]()

        def difference(h):
            pairs = [step(p, sde, 0.5, 0.5 - h) for p in (EulerMaruyama(), ReverseDiffusion())]
            (x, mean), (other, other_mean) = pairs
            noise = np.asarray((x - mean) ** 2 - (other - other_mean) ** 2)
            return np.abs(mean - other_mean).max(), np.abs(noise).max()

        for coarse, fine in zip(difference(1e-3), difference(1e-4), strict=True):
            assert 80 < coarse / fine < 125


@pytest.mark.parametrize("name", SDES)
def test_euler_maruyama_is_a_step_of_the_reverse_sde(name):
    sde, t, h = SDES[name](), 0.5, 1e-2
    f, g2 = sde.drift_and_diffusion(t)
    x, mean = step(EulerMaruyama(), sde, t, t - h)
    np.testing.assert_allclose(mean, X - h * (f * X - g2 * SCORE), rtol=1e-4)
    z = jax.random.normal(KEY, X.shape)
    np.testing.assert_allclose(x - mean, np.sqrt(g2 * h) * z, rtol=1e-4, atol=1e-6)


def langevin(score, x, sde=None, snr=0.16, steps=1, t=0.5, key=KEY):
    corrector, t = Langevin(snr=snr, corrector_steps=steps), jnp.float32(t)
    model = BoundModel(sde or SDES["vp"](), lambda x, t: score(x))
    return corrector(model, x, t, t, key)


def test_langevin_step_depends_on_the_norms_of_one_example():
    z = jax.random.normal(jax.random.split(KEY, 1)[0], X.shape)
    size = 2 * (0.16 * np.linalg.norm(z) / np.linalg.norm(SCORE)) ** 2
    want = X + size * SCORE + np.sqrt(2 * size) * z
    np.testing.assert_allclose(
        langevin(lambda x: jnp.asarray(SCORE), jnp.asarray(X)), want, rtol=1e-5
    )
    batch = jnp.stack([X, 1e3 * X, 0 * X])
    together = jax.vmap(lambda x: langevin(lambda x: SCORE + 0 * x, x))(batch)
    np.testing.assert_allclose(together[0], want, rtol=1e-5)


@pytest.mark.parametrize("name", SDES)
def test_vanishing_score_gives_a_bounded_step(name):
    """The added noise has at most the variance of x; an untrained network has such a score."""
    sde = SDES[name]()
    step = jax.jit(jax.vmap(lambda size: langevin(lambda x: 0 * x + size, jnp.zeros(500), sde)))
    moved = step(jnp.array([0.0, 1e-30, 1e-6]))
    scale = np.sqrt(2 * (sde.alpha(0.5) ** 2 + sde.sigma(0.5) ** 2))
    np.testing.assert_allclose(np.std(moved, axis=1), scale, rtol=4 / np.sqrt(2 * 500))


def test_langevin_leaves_the_marginal_in_many_dimensions_invariant():
    dims, std, snr = 512, 0.3, 0.1
    x = std * jax.random.normal(jax.random.key(1), (100, dims))
    keys = jax.random.split(jax.random.key(2), 100)
    run = jax.vmap(lambda x, key: langevin(lambda x: -x / std**2, x, snr=snr, steps=1, key=key))

    def again(x, i):
        return run(x, jax.vmap(jax.random.fold_in, (0, None))(keys, i)), None

    # Some relaxation times of 1 / (2 snr^2) = 50 steps.
    moved, _ = jax.jit(lambda x: jax.lax.scan(again, x, jnp.arange(300)))(x)
    excess = np.var(moved) / std**2 - 1
    # Of the Euler step 1/(1 - snr^2) - 1, of the step's dependence on the norms up to 4/d; and
    # four standard errors.
    error = 4 * np.sqrt(2 / moved.size)
    assert -error < excess < snr**2 + 4 / dims + error + 1e-3
    correlation = np.corrcoef(np.ravel(moved), np.ravel(x))[0, 1]
    assert abs(correlation) < 0.05  # it did move


def test_no_corrector_leaves_x_unchanged():
    model = BoundModel(SDES["vp"](), lambda x, t: SCORE)
    same = NoCorrector()(model, X, *jnp.array([0.5, 0.4]), KEY)
    np.testing.assert_array_equal(same, X)
    assert NoCorrector().evaluations == 0
