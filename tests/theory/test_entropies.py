"""Entropy, KL and Fisher divergence: closed forms, rates, and what each of them detects."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.distributions import Gaussian, GaussianMixture, monte_carlo
from gradlog.sde_lib import SDES
from gradlog.theory.entropies import (
    entropy_at,
    entropy_rate,
    entropy_slope,
    fisher_divergence,
    fisher_draw,
    integrate_on_line,
    kl,
    kl_draw,
    kl_rate,
    kl_slope,
    local_variance,
    log_ratio,
    log_variance,
)
from gradlog.theory.linear_model import gaussian_kl, moments_at

P = Gaussian(jnp.array([0.5, -1.0]), jnp.array([0.3, 0.8]))
Q = Gaussian(jnp.array([0.3, -0.7]), jnp.array([0.5, 0.6]))
CENTERS = jnp.array([[-1.0, 0.3], [0.7, -0.2]])
MIXTURE = GaussianMixture(jnp.array([0.2, 0.8]), CENTERS, jnp.array([0.2, 0.3]))
NARROW = GaussianMixture(jnp.array([0.2, 0.8]), CENTERS, jnp.array([0.1, 0.3]))
OTHER = GaussianMixture(jnp.array([0.6, 0.4]), CENTERS + 0.1, jnp.array([0.3, 0.3]))
TIMES = [0.02, 0.2, 0.5, 0.9]


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
    nats, fisher, _ = jax.jit(integrate_on_line)(p, q, jnp.linspace(-6, 6, 2001), *level)
    v, w = p.variance(*level), q.variance(*level)
    want = (1 / w - 1 / v) ** 2 * v + (level[0] * (p.mean - q.mean) / w) ** 2
    np.testing.assert_allclose(fisher, want[0], rtol=1e-4)
    np.testing.assert_allclose(
        nats, gaussian_kl(*(moments_at(o, *level) for o in (p, q))), rtol=1e-4
    )


@pytest.mark.parametrize("name", ["vp", "ve"])
def test_kl_falls_at_half_g2_times_the_fisher_divergence_on_gaussians(name):
    sde = SDES[name]()
    with jax.enable_x64(True):
        laws = in_float64((P, Q))
        exact = lambda s: gaussian_kl(*(moments_at(o, sde.alpha(s), sde.sigma(s)) for o in laws))  # noqa: E731
        slope = jax.jit(jax.grad(exact))
        wanted = {t: float(slope(t)) for t in (0.05, 0.3, 0.7)}
    for t, want in wanted.items():
        rate, error = compiled(kl_rate)(P, Q, sde, t, jax.random.key(0))
        assert want < 0
        assert abs(rate - want) < 3 * error


@pytest.mark.parametrize("name", ["vp", "ve"])
def test_kl_falls_at_half_g2_times_the_fisher_divergence_on_mixtures(name):
    """Compare the slope of each draw of log p/q along its path with the identity on that draw."""
    sde = SDES[name]()

    @jax.jit
    def compare(t, key):
        def difference(key):
            at = lambda draw, s: draw(MIXTURE, OTHER, key, sde.alpha(s), sde.sigma(s))  # noqa: E731
            slope = jax.grad(lambda s: at(kl_draw, s))(t)
            fall = 0.5 * sde.drift_and_diffusion(t)[1] * at(fisher_draw, t)
            return jnp.stack([slope + fall, fall])

        return monte_carlo(difference, key, 16_384)

    for t in (0.05, 0.3, 0.7):
        (mean, fall), (error, _) = jax.device_get(compare(t, jax.random.key(1)))
        assert abs(mean) < 3 * error
        assert error < 0.3 * fall


def test_slope_of_kl_is_the_closed_form_on_gaussians():
    sde, t = SDES["vp"](), 0.3
    slope, error = compiled(kl_slope)(P, Q, sde, t, jax.random.key(0))
    step = 1e-2
    exact = lambda s: gaussian_kl(*(moments_at(o, sde.alpha(s), sde.sigma(s)) for o in (P, Q)))  # noqa: E731
    ends = jax.device_get(jax.jit(jax.vmap(exact))(jnp.array([t - step, t + step])))
    want = (ends[1] - ends[0]) / (2 * step)
    assert error < 0.1 * abs(want)
    assert abs(slope - want) < 3 * error + 0.01 * abs(want)


def test_fisher_does_not_detect_weights_of_distant_modes_but_kl_does():
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
    nats, fisher, _ = jax.jit(integrate_on_line)(p, q, jnp.linspace(-9, 9, 2001))
    for want, (got, error) in (
        (fisher, compiled(fisher_divergence, samples=8192)(p, q, jax.random.key(0))),
        (nats, compiled(kl, samples=8192)(p, q, jax.random.key(0))),
    ):
        assert abs(got - want) < 3 * error
        assert error < 0.05 * want


def test_local_variance_of_a_quadratic_log_ratio_is_the_closed_form_at_every_width():
    """``log p/q = a x^2 + b x``: its variance over a step h is h^2 slope^2 + 2 a^2 h^4."""
    p, q = Gaussian(jnp.zeros(1), jnp.ones(1)), Gaussian(jnp.array([0.5]), jnp.array([1.5]))
    a = 0.5 * (1 / 1.5**2 - 1)
    fisher = (2 * a) ** 2 + (0.5 / 1.5**2) ** 2
    at = jax.jit(lambda h: local_variance(p, lambda x: log_ratio(p, q, x), jax.random.key(0), h))
    for width in (0.1, 0.5, 2.0):
        got, error = at(width)
        assert abs(got - fisher - 2 * a**2 * width**2) < 3 * error


def test_local_variance_tends_to_the_fisher_divergence_as_the_width_squared():
    with jax.enable_x64(True):
        laws = in_float64((MIXTURE, OTHER))
        at = jax.jit(
            lambda h: local_variance(
                laws[0],
                lambda x: log_ratio(*laws, x),
                jax.random.key(0),
                h,
                samples=2048,
                neighbors=32,
            )
        )
        widths = [0.08, 0.04, 0.02, 0.01]
        values = np.array([at(width)[0] for width in widths])
        # All widths share their draws, so the noise cancels in the differences.
        ratios = (values[:-2] - values[1:-1]) / (values[1:-1] - values[2:])
        assert np.all(np.abs(ratios - 4) < 0.8), ratios
        limit, error = at(1e-4)
        fisher, fisher_error = compiled(fisher_divergence, samples=8192)(*laws, jax.random.key(1))
        assert abs(limit - fisher) < 3 * np.hypot(error, fisher_error)


def test_local_variance_of_a_linear_map_is_the_sum_of_its_squares_at_every_width():
    matrix = jnp.array([[1.0, -2.0], [0.5, 0.0], [0.0, 3.0]])
    at = jax.jit(lambda h: local_variance(P, lambda x: matrix @ x, jax.random.key(2), h))
    for width in (0.1, 2.0):
        got, error = at(width)
        assert abs(got - 14.25) < 3 * error
        assert error < 0.5


# --- what other divergences see -------------------------------------------------------------


@pytest.mark.parametrize("std", [0.5, 2.0])
def test_log_variance_of_gaussians_is_the_closed_form_and_below_fisher_by_poincare(std):
    """For ``N(0, 1)`` and ``N(m, s^2)``: ``(c^2/2 + (m/s^2)^2)``, ``c = 1 - 1/s^2``."""
    shift = 0.7
    p, q = Gaussian(jnp.zeros(1), jnp.ones(1)), Gaussian(jnp.array([shift]), jnp.array([std]))
    c = 1 - 1 / std**2
    want = 0.5 * c**2 + (shift / std**2) ** 2
    got, error = compiled(log_variance)(p, q, jax.random.key(0))
    exact = jax.jit(integrate_on_line)(p, q, jnp.linspace(-9, 9, 2001))
    assert abs(got - want) < 4 * error
    np.testing.assert_allclose(exact.log_variance, want, rtol=1e-5)
    # C_P(N(0, 1)) = 1, reached by linear functions.
    np.testing.assert_allclose(exact.fisher, c**2 + (shift / std**2) ** 2, rtol=1e-5)


def test_a_constant_of_q_changes_kl_and_not_its_log_variance():
    class Unnormalized(Gaussian):
        def log_density(self, x, alpha=1.0, sigma=0.0):
            return super().log_density(x, alpha, sigma) + 3.0

    points = jnp.linspace(-9, 9, 2001)
    p, q = Gaussian(jnp.zeros(1), jnp.ones(1)), (jnp.zeros(1), jnp.full(1, 2.0))
    right, off = (
        jax.jit(lambda law=law: integrate_on_line(p, law(*q), points))()
        for law in (Gaussian, Unnormalized)
    )
    np.testing.assert_allclose(right.kl - off.kl, 3.0, rtol=1e-5)
    np.testing.assert_allclose(off.log_variance, right.log_variance, rtol=1e-4)


def test_fisher_is_not_symmetric():
    """``(1 - 1/s^2)^2`` from N(0, 1) to N(0, s^2), and s^2 times as much back."""
    narrow, wide = Gaussian(jnp.zeros(1), jnp.ones(1)), Gaussian(jnp.zeros(1), jnp.full(1, 2.0))
    points = jnp.linspace(-18, 18, 4001)
    there, back = (
        jax.jit(integrate_on_line)(*laws, points).fisher
        for laws in ((narrow, wide), (wide, narrow))
    )
    np.testing.assert_allclose([there, back], [0.75**2, 4 * 0.75**2], rtol=1e-4)


@pytest.mark.parametrize(("mean", "want"), [(0.0, 0.0), (0.7, 0.0648555)])
def test_the_mean_of_log_ratio_times_its_gradient_is_a_vector_and_no_divergence(mean, want):
    """It is ``-1/2 E_p[(log p/q)^2 grad log p]``, and zero for N(0, 1) and N(0, 4) that differ."""
    p, q = Gaussian(jnp.zeros(1), jnp.ones(1)), Gaussian(jnp.full(1, mean), jnp.full(1, 2.0))
    points = jnp.linspace(-9, 9, 2001)[:, None]

    @jax.jit
    def integrals(p, q):
        ratio = lambda x: log_ratio(p, q, x)  # noqa: E731
        values, slopes = jax.vmap(jax.value_and_grad(ratio))(points)
        mass = jnp.exp(jax.vmap(p.log_density)(points))
        found = jnp.trapezoid(mass * values * slopes[:, 0], points[:, 0])
        score = jax.vmap(p.score)(points)[:, 0]
        other = jnp.trapezoid(-0.5 * mass * values**2 * score, points[:, 0])
        return (found, other), integrate_on_line(p, q, points[:, 0]).kl

    both, nats = integrals(p, q)
    np.testing.assert_allclose(both, want, atol=1e-5)
    assert nats > 0.3


# --- entropy --------------------------------------------------------------------------------


@functools.cache
def compiled_in_time(estimate, name, samples=4096):
    return jax.jit(lambda law, t, key: estimate(law, SDES[name](), t, key, samples))


@pytest.mark.parametrize("name", ["vp", "ve"])
def test_slope_of_a_gaussians_entropy_is_the_closed_form(name):
    with jax.enable_x64(True):
        law = in_float64(P)
        sde = SDES[name]()

        @jax.jit
        def both(t):
            f, g2 = sde.drift_and_diffusion(t)
            # E||score||^2 of a Gaussian is the trace of its precision.
            want = 0.5 * g2 * jnp.sum(1 / law.variance(sde.alpha(t), sde.sigma(t))) + 2 * f
            return want, entropy_slope(law, sde, t, jax.random.key(0), 2)

        for t in TIMES:
            want, (got, error) = both(t)
            np.testing.assert_allclose(got, want, rtol=1e-5)
            assert error < 1e-10 * abs(got)


@pytest.mark.parametrize("name", ["vp", "ve"])
def test_rate_by_scores_is_the_slope_of_a_mixtures_entropy(name):
    for t in TIMES:
        rate, rate_error = compiled_in_time(entropy_rate, name)(NARROW, t, jax.random.key(0))
        slope, slope_error = compiled_in_time(entropy_slope, name)(NARROW, t, jax.random.key(1))
        assert abs(rate - slope) < 3 * np.hypot(rate_error, slope_error)
        by_scores = rate - 2 * SDES[name]().drift_and_diffusion(t)[0]  # without the drift's term
        assert rate_error < 0.05 * by_scores
        assert slope_error < 0.05 * by_scores


def test_integral_of_the_rate_is_the_gain_of_entropy():
    """Times are random, so the integral has no quadrature error, only a standard error."""
    sde, low, high = SDES["vp"](), 0.1, 0.6

    def gain(key):
        time_key, x_key = jax.random.split(key)
        t = jax.random.uniform(time_key, minval=low, maxval=high)
        f, g2 = sde.drift_and_diffusion(t)
        alpha, sigma = sde.alpha(t), sde.sigma(t)
        square = jnp.sum(NARROW.score(NARROW.sample_at(x_key, alpha, sigma), alpha, sigma) ** 2)
        return (high - low) * (0.5 * g2 * square + 2 * f)

    got, error = jax.jit(lambda key: monte_carlo(gain, key, 8192))(jax.random.key(2))
    ends = [compiled_in_time(entropy_at, "vp")(NARROW, t, jax.random.key(3)) for t in (low, high)]
    want = ends[1][0] - ends[0][0]
    assert abs(got - want) < 3 * np.hypot(error, np.hypot(ends[0][1], ends[1][1]))
    assert error < 0.05 * want


def test_the_cross_entropy_is_the_kl_plus_the_entropy():
    """``-E_p log q = KL(p || q) + H(p)``: what bits per dimension are made of."""

    @jax.jit
    def estimates(keys):
        cross = monte_carlo(lambda key: -OTHER.log_density(MIXTURE.sample(key)), keys[0], 4096)
        return cross, kl(MIXTURE, OTHER, keys[1]), MIXTURE.entropy(keys[2])

    keys = jax.random.split(jax.random.key(0), 3)
    (cross, error), (nats, kl_error), (entropy, entropy_error) = estimates(keys)
    assert abs(cross - nats - entropy) < 4 * np.sqrt(error**2 + kl_error**2 + entropy_error**2)
    assert error < 0.1 * cross
