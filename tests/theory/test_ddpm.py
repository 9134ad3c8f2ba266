"""DDPM's loss is denoising score matching with weighting sigma^2, and its steps are those of VP."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gradlog.distributions import Gaussian
from gradlog.losses import (
    DenoisingScoreMatching,
    Integral,
    Likelihood,
    ScoreFlow,
    ScoreMatching,
    Sigma2,
    UniformTime,
)
from gradlog.models import NETWORKS, NOISE_LABELS, DiffusionModel, Noise
from gradlog.sde_lib import VP
from gradlog.theory.ddpm import (
    ancestral_mean,
    linear_betas,
    log_rho_of_levels,
    log_signal,
    simple_loss,
    times_of_levels,
    variational_weights,
)

with np.load(Path(__file__).parents[1] / "golden" / "sde_grid.npz") as stored:
    OFFICIAL = {name: stored[f"vp/{name}"] for name in ("discrete_betas", "alphas_cumprod")}
SDE, DIMS = VP(), 5
MODEL = DiffusionModel(
    SDE,
    NETWORKS["mlp"](hidden=8, num_layers=1, embedding=8, init_scale=1.0),
    Noise(),
    NOISE_LABELS["time"](),
)
PARAMS = tiny.init(MODEL, (DIMS,))
X0 = jax.random.normal(jax.random.key(1), (DIMS,))
KEY = jax.random.key(2)


def noise_fn(params, t):
    """Return DDPM's ``eps_theta(., n)``: the network itself, with the label ``999 t``."""
    return lambda x: MODEL.network.apply({"params": params["network"]}, x, 999 * t, train=False)


def close(ours, theirs, rtol):
    """Compare two scalars, and the trees of their gradients."""
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(1.0, np.abs(b).max()))


# --- the levels -----------------------------------------------------------------------------


def test_levels_equal_those_of_the_official_code():
    np.testing.assert_allclose(linear_betas(), OFFICIAL["discrete_betas"], rtol=1e-5)
    alpha_bar = np.exp(log_signal(jnp.asarray(OFFICIAL["discrete_betas"])))
    # The official product of a thousand float32 numbers.
    np.testing.assert_allclose(alpha_bar, OFFICIAL["alphas_cumprod"], rtol=1e-4)


def test_every_level_is_exactly_a_time_of_vp():
    betas = np.random.default_rng(0).uniform(1e-4, 0.3, 50)  # no schedule in particular
    with jax.enable_x64(True):
        alpha_bar = np.cumprod(1 - betas)
        times = times_of_levels(SDE, jnp.asarray(betas))
        alpha, sigma = (np.asarray(jax.vmap(f)(times)) for f in (SDE.alpha, SDE.sigma))
    np.testing.assert_allclose(alpha, np.sqrt(alpha_bar), rtol=1e-10)
    np.testing.assert_allclose(sigma, np.sqrt(1 - alpha_bar), rtol=1e-10)


def test_the_published_levels_are_uniform_in_time_up_to_the_order_of_a_step():
    worst = []
    with jax.enable_x64(True):
        for count in (1000, 4000):
            betas = jnp.linspace(SDE.beta_min, SDE.beta_max, count) / count
            gaps = times_of_levels(SDE, betas) - np.arange(1, count + 1) / count
            worst.append(np.abs(gaps).max())
    assert worst[0] < 4e-3
    assert 3.9 < worst[0] / worst[1] < 4.1


# --- the loss -------------------------------------------------------------------------------


def test_the_simple_loss_is_twice_the_denoising_objective_and_so_is_its_gradient():
    """Data, level and noise are the same; DDPM has a sum, the objective half of it."""
    with jax.enable_x64(True):
        betas = jnp.asarray(OFFICIAL["discrete_betas"], jnp.float64)
        times, log_alpha_bar = times_of_levels(SDE, betas), log_signal(betas)
        x0, params = X0.astype(jnp.float64), jax.tree.map(jnp.float64, PARAMS)
        z = jax.random.normal(KEY, x0.shape)

        def ours(params, n):
            return 2 * DenoisingScoreMatching()(MODEL.bind(params), x0, times[n], KEY)

        def theirs(params, n):
            return simple_loss(noise_fn(params, times[n]), x0, log_alpha_bar[n], z)

        both = jax.jit(lambda n: [jax.value_and_grad(f)(params, n) for f in (ours, theirs)])
        for n in (0, 10, 499, 999):
            found = both(n)
            assert found[1][0] > 0.5
            assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(found[1][1])) > 0.1
            close(*found, rtol=1e-6)  # the network embeds 999 t in float32


@pytest.mark.parametrize(
    ("scaling", "factor"),
    [
        (Integral(), lambda t_range: t_range / (2 * DIMS)),  # half the mean, times the span of time
        (ScoreFlow(reduce_mean=True), lambda t_range: 1 / DIMS),  # the mean of the official code
        (ScoreFlow(reduce_mean=False), lambda t_range: 1 / 2),  # half the sum
    ],
)
def test_the_training_loss_is_the_simple_loss_in_each_convention(scaling, factor):
    eps, u = 1e-3, jnp.float32(0.37)
    loss = ScoreMatching(DenoisingScoreMatching(), Sigma2(), UniformTime(), eps, scaling)
    t = eps + u * (1 - eps)
    z = jax.random.normal(KEY, X0.shape)

    @jax.jit
    def both(params):
        log_alpha_bar = 2 * SDE.log_alpha(t)
        theirs = simple_loss(noise_fn(params, t), X0, log_alpha_bar, z)
        return loss.at_point(MODEL.bind(params), X0, u, KEY), factor(1 - eps) * theirs

    np.testing.assert_allclose(*both(PARAMS), rtol=1e-5)


def expected_simple_loss(gain, variance, log_alpha_bar):
    """Return it for ``eps_theta(x) = gain x`` on ``N(0, variance I)``, per dimension."""
    alpha_bar = np.exp(log_alpha_bar)
    return (1 - gain * np.sqrt(1 - alpha_bar)) ** 2 + gain**2 * alpha_bar * variance


def test_a_uniform_level_of_ddpm_is_a_uniform_time_up_to_the_order_of_a_step():
    """The mean over n = 1..N tends to the integral over t as 1/N."""
    gain, variance = 0.6, 0.3
    nodes, weights = np.polynomial.legendre.leggauss(60)
    with jax.enable_x64(True):
        log_alpha_bar = 2 * np.asarray(jax.vmap(SDE.log_alpha)(jnp.asarray(0.5 * (nodes + 1))))
        integral = 0.5 * weights @ expected_simple_loss(gain, variance, log_alpha_bar)
        errors = []
        for count in (500, 1000, 2000):
            betas = jnp.linspace(SDE.beta_min, SDE.beta_max, count) / count
            levels = expected_simple_loss(gain, variance, np.asarray(log_signal(betas)))
            errors.append(abs(np.mean(levels) - integral))
    assert errors[1] < 1e-3
    np.testing.assert_allclose([errors[0] / errors[1], errors[1] / errors[2]], 2, rtol=0.02)


def test_the_expected_simple_loss_is_the_mean_of_draws():
    gain, variance, log_alpha_bar, count = 0.6, 0.3, jnp.float32(-0.8), 20_000

    def draw(key):
        data_key, noise_key = jax.random.split(key)
        x0 = jnp.sqrt(variance) * jax.random.normal(data_key, (DIMS,))
        z = jax.random.normal(noise_key, (DIMS,))
        return simple_loss(lambda x: gain * x, x0, log_alpha_bar, z) / DIMS

    losses = jax.jit(jax.vmap(draw))(jax.random.split(KEY, count))
    want = expected_simple_loss(gain, variance, -0.8)
    assert abs(losses.mean() - want) < 4 * losses.std() / np.sqrt(count)


# --- the steps ------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 300, 999])
def test_the_ancestral_mean_of_the_true_score_is_the_conditional_mean_of_a_gaussian(n):
    law = Gaussian(mean=jnp.array([-1.0, 0.5]), std=jnp.array([0.3, 2.0]))
    with jax.enable_x64(True):
        law = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), law)
        betas = jnp.asarray(OFFICIAL["discrete_betas"], jnp.float64)
        t, t_before = (times_of_levels(SDE, betas)[m] for m in (n, n - 1))
        x = jnp.array([0.7, -1.1])
        got = ancestral_mean(law.score_fn(SDE)(x, t), x, betas[n])
        # x_n = sqrt(1 - beta) x_{n-1} + sqrt(beta) z with a Gaussian x_{n-1}.
        shrink, mean = jnp.sqrt(1 - betas[n]), SDE.alpha(t_before) * law.mean
        before = (SDE.alpha(t_before) * law.std) ** 2 + SDE.sigma(t_before) ** 2
        gain = shrink * before / (shrink**2 * before + betas[n])
        want = mean + gain * (x - shrink * mean)
    np.testing.assert_allclose(got, want, rtol=1e-9)


def test_the_ancestral_mean_is_the_posterior_mean_at_the_predicted_datum():
    """Ho et al. eq. 7 at the ``x0`` that any score predicts."""
    n, x, score = 400, np.array([0.7, -1.1]), np.array([-0.4, 1.9])
    betas = np.float64(OFFICIAL["discrete_betas"])
    beta, alpha_bar = betas[n], np.cumprod(1 - betas)
    x0 = (x + (1 - alpha_bar[n]) * score) / np.sqrt(alpha_bar[n])
    want = np.sqrt(alpha_bar[n - 1]) * beta * x0 + np.sqrt(1 - beta) * (1 - alpha_bar[n - 1]) * x
    with jax.enable_x64(True):
        got = ancestral_mean(jnp.asarray(score), jnp.asarray(x), jnp.asarray(beta))
    np.testing.assert_allclose(got, want / (1 - alpha_bar[n]), rtol=1e-10)


def test_variational_weights_are_those_of_equation_12():
    betas = np.float64(OFFICIAL["discrete_betas"])
    alpha_bar = np.cumprod(1 - betas)
    b, now, before = betas[1:], alpha_bar[1:], alpha_bar[:-1]
    posterior_variance = b * (1 - before) / (1 - now)
    with jax.enable_x64(True):
        got = variational_weights(jnp.asarray(betas))
    np.testing.assert_allclose(
        got, b**2 / (2 * posterior_variance * (1 - b) * (1 - now)), rtol=1e-9
    )


def test_the_variational_weights_tend_to_half_the_likelihood_weighting():
    """The error is of first order in 1/N, at the middle of the step."""
    errors = []
    with jax.enable_x64(True):
        for count in (1000, 4000):
            betas = jnp.linspace(SDE.beta_min, SDE.beta_max, count) / count
            times = times_of_levels(SDE, betas)
            middle = 0.5 * (times[1:] + times[:-1])
            want = 0.5 * jax.vmap(lambda t: Likelihood()(SDE, t))(middle) * jnp.diff(times)
            ratio = variational_weights(betas) / want
            errors.append(np.abs(np.asarray(ratio)[middle > 0.1] - 1).max())
    assert errors[0] < 0.05
    assert 3.5 < errors[0] / errors[1] < 4.5


def test_log_rho_is_accurate_even_if_alpha_bar_is_nearly_one():
    got = log_rho_of_levels(jnp.array([1e-7, 1e-4]))
    want = 0.5 * np.log(np.expm1(-np.cumsum(np.log1p([-1e-7, -1e-4]))))
    np.testing.assert_allclose(got, want, rtol=1e-6)
