"""KL and Fisher divergences of two laws: closed forms, rates, and what each can see."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.distributions import Gaussian, GaussianMixture, monte_carlo
from gradlog.sde_lib import SDES
from gradlog.theory.divergences import (
    fisher_divergence,
    fisher_draw,
    kl,
    kl_draw,
    kl_rate,
    kl_slope,
    on_line,
)
from gradlog.theory.linear_model import gaussian_kl, moments_at

P = Gaussian(jnp.array([0.5, -1.0]), jnp.array([0.3, 0.8]))
Q = Gaussian(jnp.array([0.3, -0.7]), jnp.array([0.5, 0.6]))
CENTERS = jnp.array([[-1.0, 0.3], [0.7, -0.2]])
MIXTURE = GaussianMixture(jnp.array([0.2, 0.8]), CENTERS, jnp.array([0.2, 0.3]))
OTHER = GaussianMixture(jnp.array([0.6, 0.4]), CENTERS + 0.1, jnp.array([0.3, 0.3]))


@functools.cache
def compiled(estimate, **options):
    return jax.jit(lambda *args: estimate(*args, **options))


def in_float64(laws):
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, np.float64)), laws)


def two_modes(weight, center):
    means = jnp.array([[-1.0], [1.0]]) * center
    return GaussianMixture(jnp.array([weight, 1 - weight]), means, jnp.ones(2))


@pytest.mark.parametrize("level", [(1.0, 0.0), (0.7, 0.6)])
def test_kl_of_gaussians_is_the_closed_form(level):
    nats, error = compiled(kl)(P, Q, jax.random.key(0), *level)
    assert abs(nats - gaussian_kl(moments_at(P, *level), moments_at(Q, *level))) < 3 * error


@pytest.mark.parametrize("level", [(1.0, 0.0), (0.7, 0.6)])
def test_fisher_divergence_of_gaussians_is_the_closed_form(level):
    alpha = level[0]
    v, w = P.variance(*level), Q.variance(*level)
    want = jnp.sum((1 / w - 1 / v) ** 2 * v + (alpha * (P.mean - Q.mean) / w) ** 2)
    got, error = compiled(fisher_divergence)(P, Q, jax.random.key(0), *level)
    assert abs(got - want) < 3 * error
    assert error < 0.05 * want


@pytest.mark.parametrize("level", [(1.0, 0.0), (0.7, 0.6)])
def test_quadrature_on_a_line_is_the_closed_form_of_gaussians(level):
    p, q = Gaussian(jnp.array([0.5]), jnp.array([0.3])), Gaussian(jnp.zeros(1), jnp.ones(1))
    nats, fisher = jax.jit(on_line)(p, q, jnp.linspace(-6, 6, 2001), *level)
    v, w = p.variance(*level), q.variance(*level)
    want = (1 / w - 1 / v) ** 2 * v + (level[0] * (p.mean - q.mean) / w) ** 2
    np.testing.assert_allclose(fisher, want[0], rtol=1e-4)
    np.testing.assert_allclose(
        nats, gaussian_kl(*(moments_at(o, *level) for o in (p, q))), rtol=1e-4
    )


@pytest.mark.parametrize("name", ["vp", "ve"])
@pytest.mark.parametrize("t", [0.05, 0.3, 0.7])
def test_kl_falls_at_half_g2_times_the_fisher_divergence_on_gaussians(name, t):
    sde = SDES[name]()
    rate, error = compiled(kl_rate)(P, Q, sde, t, jax.random.key(0))
    with jax.enable_x64(True):
        laws = in_float64((P, Q))
        exact = lambda s: gaussian_kl(*(moments_at(o, sde.alpha(s), sde.sigma(s)) for o in laws))  # noqa: E731
        want = jax.grad(exact)(t)
    assert want < 0
    assert abs(rate - want) < 3 * error


@pytest.mark.parametrize("name", ["vp", "ve"])
@pytest.mark.parametrize("t", [0.05, 0.3, 0.7])
def test_kl_falls_at_half_g2_times_the_fisher_divergence_on_mixtures(name, t):
    """The slope of each draw of log p/q along its path, against the identity on the same draw."""
    sde = SDES[name]()

    def difference(key):
        at = lambda draw, s: draw(MIXTURE, OTHER, key, sde.alpha(s), sde.sigma(s))  # noqa: E731
        slope = jax.grad(lambda s: at(kl_draw, s))(jnp.asarray(t))
        fall = 0.5 * sde.drift_and_diffusion(t)[1] * at(fisher_draw, t)
        return jnp.stack([slope + fall, fall])

    (mean, fall), (error, _) = jax.jit(lambda key: monte_carlo(difference, key, 16_384))(
        jax.random.key(1)
    )
    assert abs(mean) < 3 * error
    assert error < 0.3 * fall


@pytest.mark.parametrize("name", ["vp", "ve"])
def test_the_slope_of_kl_is_that_of_the_closed_form_on_gaussians(name):
    sde, t = SDES[name](), 0.3
    slope, error = compiled(kl_slope)(P, Q, sde, t, jax.random.key(0))
    step = 1e-2
    ends = [
        gaussian_kl(*(moments_at(o, sde.alpha(s), sde.sigma(s)) for o in (P, Q)))
        for s in (t - step, t + step)
    ]
    want = (ends[1] - ends[0]) / (2 * step)
    assert error < 0.1 * abs(want)
    assert abs(slope - want) < 3 * error + 0.01 * abs(want)


def test_fisher_is_blind_to_the_weights_of_far_modes_and_kl_is_not():
    far = two_modes(0.2, 5.0), two_modes(0.8, 5.0)
    near = two_modes(0.2, 1.0), two_modes(0.8, 1.0)
    blind, _ = compiled(fisher_divergence)(*far, jax.random.key(0))
    seen, _ = compiled(fisher_divergence)(*near, jax.random.key(0))
    nats, error = compiled(kl)(*far, jax.random.key(0))
    assert blind < 1e-3
    assert seen > 0.1
    assert abs(nats - 0.6 * np.log(4)) < 3 * error


def test_fisher_and_kl_of_two_mixtures_are_their_integrals():
    p, q = two_modes(0.2, 1.5), two_modes(0.8, 1.5)
    nats, fisher = jax.jit(on_line)(p, q, jnp.linspace(-9, 9, 2001))
    for want, (got, error) in (
        (fisher, compiled(fisher_divergence, samples=8192)(p, q, jax.random.key(0))),
        (nats, compiled(kl, samples=8192)(p, q, jax.random.key(0))),
    ):
        assert abs(got - want) < 3 * error
        assert error < 0.05 * want
