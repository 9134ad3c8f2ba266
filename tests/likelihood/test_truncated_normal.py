"""Tests of the truncated normal: its density over a level, and its bound on known data."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_laws import exact_prior, keys
from scipy import integrate, stats
from tiny import optimized

from gradlog.distributions import GaussianMixture
from gradlog.experiment.loading import load_config
from gradlog.likelihood import AsSample, Exact, ODELikelihood, OneDraw, account, make_exact
from gradlog.models import BoundModel, TruncatedNormal, Uniform
from gradlog.ode import Adaptive, ExponentialMultistep, LogRhoFlow
from gradlog.sde_lib import SDES, LogSNR

TAUS = [1e-3, 0.1, 0.3, 1.0, 30.0]
LEVELS = [2, 17, 256, 1000, 65536]


def with_tau(tau, levels=256, centered=True, alpha=0.9):
    return TruncatedNormal(
        levels, centered, alpha=alpha, sigma=tau * alpha * (1 + centered) / levels
    )


def residuals(dequantization, x, k):
    """Return u of each point, in float64."""
    width = (1 + dequantization.centered) / dequantization.levels
    x0 = np.asarray(x, np.float64) / dequantization.alpha + dequantization.centered
    return x0 / width - k


def reference(tau):
    return stats.truncnorm(-0.5 / tau, 0.5 / tau, loc=0.5, scale=tau)


@functools.cache
def draws(tau, count=20_000):
    """Return u and ``log q`` of many draws in one level of 17."""
    dequantization, k = with_tau(tau, levels=17), 5
    make = jax.jit(jax.vmap(lambda key: dequantization(key, jnp.array([k]))))
    x, log_q = jax.device_get(make(jax.random.split(jax.random.key(0), count)))
    return residuals(dequantization, x[:, 0], k), log_q


def test_narrow_kernel_is_cut_at_five_deviations():
    """A float32 draw at the edge of a level fifty deviations wide would count 1250 nats."""
    narrow = with_tau(0.01, levels=17)
    assert narrow._cut == 5
    x, _ = optimized(narrow)(jax.random.key(3), jnp.full(20_000_000, 5, jnp.uint8))
    center = narrow.alpha * (-1 + 2 * 5.5 / 17)
    assert 4.5 < np.abs(np.asarray(x) - center).max() / narrow.sigma < 5.1


@pytest.mark.parametrize("tau", TAUS)
def test_log_q_is_the_density_of_u(tau):
    u, log_q = draws(tau)
    # Float32 resolves x to 6e-8 and u, of 17 levels in two units, to 5e-7; the density's logarithm
    # has a slope of at most (u - 1/2)/tau^2, and 5/tau of the draws.
    slope = min(0.5 / tau**2, 5 / tau)
    np.testing.assert_allclose(log_q, reference(tau).logpdf(u), rtol=2e-6, atol=1e-6 * (1 + slope))


@pytest.mark.parametrize("tau", TAUS)
def test_draws_have_the_truncated_normal_distribution(tau):
    u, _ = draws(tau)
    assert u.min() > 0
    assert u.max() < 1
    # The Kolmogorov-Smirnov distance of n draws exceeds 2.2 / sqrt(n) once in 10,000 times.
    distance = stats.kstest(u, reference(tau).cdf).statistic
    assert distance < 2.2 / math.sqrt(len(u))


@pytest.mark.parametrize("tau", TAUS)
def test_density_integrates_to_one_over_the_level(tau):
    """With log q as the class computes it, at points r of a fine grid."""
    dequantization = with_tau(tau)
    reach = min(0.5, 5 * tau)
    u = np.linspace(-reach, reach, 4001)
    with jax.enable_x64(True):
        log_q = jax.jit(jax.vmap(dequantization._log_q))(u / tau)
    np.testing.assert_allclose(integrate.simpson(np.exp(log_q), x=u), 1, rtol=1e-9)


def test_limits_are_the_normal_and_the_uniform():
    u, log_q = draws(1e-3)
    r = (u - 0.5) / 1e-3
    want = -0.5 * r**2 - 0.5 * math.log(2 * math.pi) + math.log(1e3)
    np.testing.assert_allclose(log_q, want, rtol=0, atol=5e-3)  # u is known to 5e-7, r to 5e-4
    _, log_q = draws(30.0)
    assert np.abs(log_q).max() < 2e-4  # 1/(8 tau^2)
    many = jax.jit(with_tau(1e4))(jax.random.key(0), jnp.zeros(3072))[1]
    assert abs(many) < 1e-4


def test_log_q_of_several_dimensions_is_their_sum_at_any_size():
    dequantization, k = with_tau(0.3), jnp.full((32, 32, 3), 100, jnp.uint8)
    x, log_q = jax.jit(dequantization)(jax.random.key(0), k)
    assert x.shape == k.shape
    assert x.dtype == log_q.dtype == jnp.float32
    want = reference(0.3).logpdf(residuals(dequantization, x, 100)).sum()
    # Rounding: of u in 3,072 terms of slope up to 5.6, independent, and of the sum.
    np.testing.assert_allclose(log_q, want, rtol=0, atol=2e-2)


@pytest.mark.parametrize(("tau", "centered"), [(1e-2, False), (30.0, True)])
@pytest.mark.parametrize("levels", LEVELS)
def test_every_point_maps_back_to_its_level(levels, centered, tau):
    dequantization = with_tau(tau, levels, centered)
    k = np.arange(levels, dtype=np.uint8 if levels <= 256 else np.uint16)
    there_and_back = jax.jit(lambda k, key: dequantization.to_data(dequantization(key, k)[0]))
    again = there_and_back(k, jax.random.key(0))
    assert again.dtype == k.dtype
    np.testing.assert_array_equal(again, k)


@pytest.mark.parametrize("r", [-1.0, 1.0])
def test_most_extreme_draw_maps_back_to_its_level(r, monkeypatch):
    """Float32 may round a draw to the very end of its interval."""
    monkeypatch.setattr(
        jax.random, "truncated_normal", lambda key, low, high, shape: jnp.full(shape, r * high)
    )
    k = np.arange(256, dtype=np.uint8)
    dequantization = with_tau(1.0)
    np.testing.assert_array_equal(dequantization.to_data(dequantization(None, k)[0]), k)


def test_scale_includes_the_factor_on_the_data():
    assert math.isclose(with_tau(0.3, alpha=1.0).log_scale, Uniform(256).log_scale)
    assert math.isclose(with_tau(0.3, alpha=0.5).log_scale, Uniform(256).log_scale + math.log(2))


@pytest.mark.parametrize("wrong", [{"alpha": 0.0, "sigma": 1.0}, {"alpha": 1.0, "sigma": -1.0}])
def test_kernel_without_width_raises(wrong):
    with pytest.raises(ValueError, match="alpha and sigma must be positive; got alpha = "):
        TruncatedNormal(256, **wrong)


# --- a law of integers, whose samples at eps are a mixture of as many kernels ------------------

CENTERED, COUNT = True, 4
LAW_LEVELS = np.array([[0, 3], [1, 1], [2, 3], [3, 0]])
WEIGHTS = np.array([0.4, 0.3, 0.25, 0.05])
LAW = GaussianMixture(
    weights=jnp.asarray(WEIGHTS, jnp.float32),
    means=jnp.asarray((LAW_LEVELS + 0.5) * 2 / COUNT - 1, jnp.float32),
    stds=jnp.zeros(4),
)


@pytest.mark.parametrize("tau", [0.1, 0.4])
def test_log_p_of_integers_has_a_lower_bound_tight_for_a_narrow_kernel(tau):
    """The truth is the mass of p_eps in a level; for a narrow kernel it is P of the level."""
    sde = SDES["vp"]()
    eps = float(sde.time_of_log_rho(math.log(tau * (1 + CENTERED) / COUNT)))
    alpha, sigma = float(sde.alpha(eps)), float(sde.sigma(eps))
    dequantization = TruncatedNormal(COUNT, CENTERED, alpha=alpha, sigma=sigma)
    assert math.isclose(dequantization.tau, tau, rel_tol=1e-4)
    estimate = OneDraw(
        ODELikelihood(
            solver=Adaptive(rtol=1e-6, atol=1e-6),
            flow=LogRhoFlow(),
            divergence=Exact(),
            eps=eps,
            start=AsSample(),
            prior_log_prob=exact_prior(LAW, sde),
        )
    )
    repeats = 64
    xs = jnp.repeat(jnp.asarray(LAW_LEVELS), repeats, axis=0)
    run = jax.jit(
        lambda xs, keys: estimate(BoundModel(sde, LAW.score_fn(sde), dequantization), xs, keys)
    )
    found = jax.device_get(run(xs, keys(len(xs))))
    assert np.all(found.ok)
    nats = account(found.parts, dequantization.log_scale, 2).nats.reshape(-1, repeats)
    mass = np.log(masses(dequantization))
    if tau == 0.1:
        # 4e-6 of a kernel's mass leaves its level, and every draw gives the same.
        np.testing.assert_allclose(mass, np.log(WEIGHTS), rtol=0, atol=3e-5)
        np.testing.assert_allclose(nats, np.tile(mass[:, None], repeats), rtol=0, atol=1e-3)
        return
    error = nats.std(axis=1) / math.sqrt(repeats)
    assert np.all(nats.mean(axis=1) < mass + 4 * error)
    # A bound of some use: off by less than a tenth of a bit, save where others' kernels reach in.
    assert np.all(nats.mean(axis=1)[:3] > mass[:3] - 0.1 * math.log(2))


def masses(dequantization):
    """Return the probability of each level for a sample at eps."""
    edges = (np.arange(COUNT + 1) * 2 / COUNT - 1) * dequantization.alpha
    centers = np.asarray(LAW.means, np.float64) * dequantization.alpha
    cdf = stats.norm.cdf((edges[:, None, None] - centers) / dequantization.sigma)
    inside = np.diff(cdf, axis=0)  # level, component, dimension
    chosen = inside[LAW_LEVELS[:, 0], :, 0] * inside[LAW_LEVELS[:, 1], :, 1]
    return chosen @ WEIGHTS


# --- 256 levels with a smooth law, as a perfect model of images has them -----------------------


@functools.cache
def mean_error(intervals):
    """Return the mean error of nodes in bits/dim, with the process of i-DODE's configurations."""
    config = load_config("configs/idode/cifar10.py").sde
    sde = LogSNR(config.gamma_min, config.gamma_max)
    levels, count = np.arange(256), 1024
    weights = np.exp(-0.5 * ((levels - 127.5) / 30) ** 2)
    law = GaussianMixture(
        weights=jnp.asarray(weights / weights.sum(), jnp.float32),
        means=jnp.asarray((levels + 0.5)[:, None] / 128 - 1, jnp.float32),
        stds=jnp.zeros(256),
    )
    noise = TruncatedNormal(256, True, alpha=float(sde.alpha(0)), sigma=float(sde.sigma(0)))
    k = np.random.default_rng(0).choice(256, (count, 1), p=weights / weights.sum())
    xs, _ = jax.jit(jax.vmap(noise))(keys(count), jnp.asarray(k))
    estimate = make_exact(
        *(None, LogRhoFlow(), 0.0, AsSample(), exact_prior(law, sde)),
        path=ExponentialMultistep(),
        intervals=intervals,
    )
    found = jax.jit(lambda xs: estimate(BoundModel(sde, law.score_fn(sde)), xs, keys(count)))(xs)
    want = jax.jit(jax.vmap(lambda x: law.log_density_fn(sde)(x, 0.0)))(xs)
    return float(jnp.mean(found.nats - want)) / math.log(2)


def test_nodes_of_idode_are_off_by_less_than_a_thousandth_where_levels_appear():
    intervals = load_config("configs/idode/cifar10.py").likelihood.intervals
    assert abs(mean_error(intervals)) < 0.001
    assert abs(mean_error(24)) > 0.005
