"""Tests that the variational bound is tight for the exact score, and a bound for any other."""

import functools

import closed_bounds
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_laws import LAWS, draw, exact_prior, keys, log_density64

from gradlog.likelihood import make_bound
from gradlog.likelihood.bound_forms import FORMS, control_slopes
from gradlog.models import BoundModel
from gradlog.sde_lib import SDES, VE, VP

# So small that the law of x0 given x_eps is Gaussian to 1e-2 nats (VP: sigma(eps) = 0.003).
EPS = 1e-4
SAMPLES = 256
POINTS = 64
# The bound meets a process in its alpha and sigma alone, of which test_sdes.py has every process.
FORM_AND_SDE = [("dsm", "ve"), ("dsm", "straight"), ("ssm", "vp")]
# Of a Gaussian the closed form is known at every eps, see below.
CASES = [("mixture", "vp", "dsm"), ("mixture", "ve", "ssm")]


@functools.cache
def compiled(law_name: str, sde_name: str, form: str):
    law, sde = LAWS[law_name], SDES[sde_name]()
    score = law.score_fn(sde)

    def run(xs, keys, factor, eps):
        bound = make_bound(SAMPLES, eps, form, exact_prior(law, sde))
        return bound(BoundModel(sde, lambda x, t: factor * score(x, t)), xs, keys)

    return jax.jit(run)


@functools.cache
def evaluate(
    law_name: str, sde_name: str, form: str = "dsm", factor: float = 1.0, eps: float = EPS
):
    """Return bounds at points of the data, for the exact score times a factor, and the points."""
    xs = draw(LAWS[law_name], SDES[sde_name](), EPS, count=POINTS)
    run = compiled(law_name, sde_name, form)
    return jax.device_get(run(xs, keys(POINTS, seed=1), factor, eps)), xs


def assert_standard_normal(errors):
    """The mean of POINTS normal errors has the error 1/8, their spread 1/sqrt(128)."""
    assert abs(errors.mean()) < 4 / 8
    assert abs(errors.std() - 1) < 4 / np.sqrt(2 * POINTS)


@pytest.mark.parametrize(("law", "sde", "form"), CASES)
def test_bound_with_the_exact_score_equals_the_log_density_within_its_error(law, sde, form):
    got, xs = evaluate(law, sde, form)
    assert np.all(got.ok)
    assert_standard_normal((got.nats - log_density64(LAWS[law], xs)) / got.standard_error)


@pytest.mark.parametrize(("form", "sde"), FORM_AND_SDE)
def test_bound_of_a_gaussian_equals_its_closed_form_at_any_eps(sde, form):
    got, xs = evaluate("gaussian", sde, form, eps=0.05)
    want = closed_bounds.bound(xs, sde, 0.05)
    assert_standard_normal((got.nats - want) / got.standard_error)


def test_bound_of_a_sampler_with_churn_is_that_of_its_steps():
    law, sde = LAWS["gaussian"], SDES["vp"]()
    xs = draw(law, sde, EPS, count=POINTS)
    bound = make_bound(SAMPLES, 1e-2, churn=0.5)
    model = BoundModel(sde, law.score_fn(sde))
    found = jax.device_get(jax.jit(lambda xs, keys: bound(model, xs, keys))(xs, keys(POINTS)))
    want = closed_bounds.diffusion_of_sampler(xs, "vp", 1e-2, 0.5)
    assert_standard_normal((found.parts["diffusion"] - want) / found.standard_error)


def test_churn_must_leave_some_noise():
    with pytest.raises(ValueError, match="churn"):
        make_bound(SAMPLES, EPS, churn=0.0)


@pytest.mark.parametrize("factor", [0.8, 1.2])
@pytest.mark.parametrize(("law", "sde", "form"), CASES)
def test_bound_with_a_wrong_score_is_below_the_entropy(law, sde, form, factor):
    """This holds on average over the data; at single points the bound may be larger."""
    got, xs = evaluate(law, sde, form, factor)
    gap = got.nats - log_density64(LAWS["mixture"], xs)
    assert gap.mean() + 4 * gap.std() / np.sqrt(POINTS) < 0


@pytest.mark.parametrize(("form", "sde"), FORM_AND_SDE)
def test_parts_of_the_bound_add_up_and_its_evaluations_are_counted(sde, form):
    got, _ = evaluate("gaussian", sde, form)
    assert set(got.parts) == {"prior", "diffusion", "eps", "volume"}
    total = np.sum([part.astype(np.float64) for part in got.parts.values()], axis=0)
    # Three roundings of float32 of terms below 1000 nats.
    np.testing.assert_allclose(got.nats, total, rtol=0, atol=2e-4)
    np.testing.assert_array_equal(got.nfe, SAMPLES + SAMPLES // 8)
    np.testing.assert_array_equal(got.jvps, SAMPLES * (form == "ssm"))


@pytest.mark.parametrize("form", FORMS)
def test_counted_evaluations_equal_those_made(form):
    calls = []

    def score_fn(x, t):
        jax.debug.callback(lambda _: calls.append(1), x)
        return -x

    bound = make_bound(10, EPS, form, chunk=4)
    got = jax.block_until_ready(
        jax.jit(lambda xs: bound(BoundModel(VP(), score_fn), xs, keys(1)))(np.ones((1, 3)))
    )
    jax.effects_barrier()
    assert len(calls) == int(got.nfe[0]) == 12


def test_result_does_not_depend_on_chunks():
    model, xs = BoundModel(VP(), lambda x, t: -x), draw(LAWS["plane"], VP(), EPS, count=4)
    bounds = [make_bound(16, EPS, chunk=chunk) for chunk in (5, 128)]
    got = jax.jit(lambda xs, keys: [bound(model, xs, keys) for bound in bounds])(xs, keys(4))
    # Float32 of terms below 100 nats.
    np.testing.assert_allclose(got[0].nats, got[1].nats, rtol=0, atol=2e-4)


@pytest.mark.parametrize("sde", [VP(), VE()], ids=["vp", "ve"])
def test_term_of_a_normal_prior_has_no_error(sde):
    """The control cancels all noise, and the expectation in closed form remains."""
    xs = draw(LAWS["plane"], sde, EPS, count=4)
    bound = jax.jit(lambda xs, keys: make_bound(2, EPS)(BoundModel(sde, lambda x, t: -x), xs, keys))
    got = bound(xs, keys(4))
    alpha, sigma, std = float(sde.alpha(1.0)), float(sde.sigma(1.0)), float(sde.prior_std)
    square = alpha**2 * np.sum(np.square(xs), axis=1) + 2 * sigma**2
    want = -0.5 * square / std**2 - np.log(2 * np.pi * std**2)
    np.testing.assert_allclose(got.parts["prior"], want, rtol=3e-6)


@pytest.mark.parametrize("form", FORMS)
def test_control_slopes_equal_those_of_gaussian_data(form):
    """The denoiser leaves ``v/(v + rho^2)`` of the noise; the rest is in the score."""
    v, log_rho = 0.3, np.linspace(-4, 4, 24).reshape(-1, 2)
    left = lambda log_rho: v / (v + np.exp(2 * log_rho))  # noqa: E731
    share = left if form == "dsm" else lambda log_rho: 1 - left(log_rho)
    noise = np.full_like(log_rho, 7.0)
    square = noise * share(log_rho.mean(axis=1, keepdims=True))
    got = control_slopes(*map(jnp.asarray, (log_rho, square, noise)), FORMS[form].trend)
    np.testing.assert_allclose(got[1:], share(log_rho)[1:], rtol=1e-4)
    v = 1.0  # of the first cell, which has none before it
    np.testing.assert_allclose(got[0], share(log_rho)[0], rtol=1e-5)


def test_control_lowers_the_error():
    """For the mixture in 12 dimensions by a factor of more than two, against ``- ||z||^2``."""
    law, sde = LAWS["mixture"], VP()
    got, xs = evaluate("mixture", "vp")
    low, high = float(sde.log_rho(EPS)), float(sde.log_rho(1.0))

    def plain(x, key):
        time_key, noise_key = jax.random.split(key)
        t = sde.time_of_log_rho(jax.random.uniform(time_key, minval=low, maxval=high))
        z = jax.random.normal(noise_key, x.shape)
        residual = sde.sigma(t) * law.score_fn(sde)(sde.perturb(x, t, z), t) + z
        return (high - low) * (jnp.sum(residual**2) - jnp.sum(z**2))

    draws = jax.vmap(lambda x, key: jax.vmap(lambda k: plain(x, k))(jax.random.split(key, 1000)))
    spread = np.std(jax.jit(draws)(xs, keys(POINTS)), axis=1)
    assert np.median(got.standard_error) < 0.5 * np.median(spread) / np.sqrt(SAMPLES)


@pytest.mark.parametrize("samples", [0, 1, 7])
def test_odd_number_of_samples_raises(samples):
    with pytest.raises(ValueError, match=f"samples = {samples} must be even and at least 2"):
        make_bound(samples, EPS)


def test_unknown_form_raises_with_the_choices():
    with pytest.raises(
        ValueError, match=r"form = 'ism' is unknown; choose one of \['dsm', 'ssm'\]"
    ):
        make_bound(8, EPS, "ism")
