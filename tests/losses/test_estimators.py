"""Tests of the expectation of each integrand, on a mixture with a nonlinear wrong score.

Integrands are compared at the same points. A sliced integrand splits its key; the others therefore
get the first half.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gradlog.distributions import Empirical, GaussianMixture
from gradlog.losses import SLICE_LAWS, DenoisingScoreMatching, ExplicitScoreMatching, add_noise
from gradlog.models import BoundModel
from gradlog.sde_lib import VP
from tests.losses.making import MIXTURE, make_objective, wrong_score

TIMES = (0.05, 0.2, 0.6)
N = 40_000
SDE = VP()
EXACT = MIXTURE.score_fn(SDE)


def over_draws(function, times, n=N, seed=11):
    """Return ``function(x0, t, key)`` for many draws in float64, by time."""
    with jax.enable_x64(True):
        x0_keys, keys = jax.random.split(jax.random.key(seed), (2, n))

        def one(x0_key, key, t):
            return function(MIXTURE.sample(x0_key), t, key)

        run = tiny.optimized(jax.vmap(one, (0, 0, None)))
        at = lambda t: jax.tree.map(np.asarray, run(x0_keys, keys, jnp.asarray(t, float)))  # noqa: E731
        return {t: at(t) for t in times}


def value(name, x0, t, key, **settings):
    return make_objective(name, **settings)(BoundModel(SDE, wrong_score(SDE, 1.0)), x0, t, key)


def assert_mean_is_zero(differences, errors=3):
    """Check the mean against its standard error, and that the error is small enough to tell."""
    error = differences.std() / np.sqrt(len(differences))
    assert abs(differences.mean()) < errors * error


@functools.cache
def found():
    """Return values of the integrands, and the constants between them, by time and by name."""

    def function(x0, t, both_keys):
        key = jax.random.split(both_keys)[0]
        x, _ = add_noise(SDE, x0, t, key)
        exact, jvp = jax.linearize(lambda x: EXACT(x, t), x)
        trace = jnp.trace(jax.vmap(jvp)(jnp.eye(x.size)))
        values = {name: value(name, x0, t, key) for name in ("esm", "ism", "dsm")}
        values |= {name: value(name, x0, t, both_keys) for name in ("ssm", "ssm_vr", "fsm")}
        values["unweighted dsm2"] = value(
            "dsm2", x0, t, both_keys, trace_weight=0.0, jacobian_weight=0.0
        )
        values["Fisher"] = SDE.sigma(t) ** 2 * jnp.sum(exact**2)
        values["variance"] = x.size + SDE.sigma(t) ** 2 * trace
        return values

    return over_draws(function, TIMES)


@pytest.mark.parametrize("t", TIMES)
def test_implicit_equals_explicit_minus_half_the_fisher_information(t):
    at = found()[t]
    differences = at["ism"] - (at["esm"] - 0.5 * at["Fisher"])
    assert_mean_is_zero(differences)
    # The comparison has the precision to see a small share of what is compared.
    assert differences.std() / np.sqrt(N) < 0.05 * at["esm"].mean()


@pytest.mark.parametrize("t", TIMES)
def test_denoising_equals_explicit_plus_half_the_posterior_variance(t):
    """``Cov[z | x_t] = I + sigma^2 grad^2 log p_t``, from the Hessian of the mixture."""
    at = found()[t]
    differences = at["dsm"] - (at["esm"] + 0.5 * at["variance"])
    assert_mean_is_zero(differences)
    precision = differences.std() / np.sqrt(N)
    assert precision < 0.1 * at["esm"].mean()
    assert precision < 0.1 * at["variance"].mean()


# Their means depend on the law by its covariance alone, which test_objectives.py shows.
@pytest.mark.parametrize(("name", "law"), [("ssm", "gaussian"), ("ssm_vr", "sphere")])
def test_sliced_has_the_mean_of_implicit_and_less_variance_with_more_slices(name, law):
    def function(x0, t, key):
        implicit = value("ism", x0, t, jax.random.split(key)[0])
        settings = {"slice_law": SLICE_LAWS[law]}
        return tuple(value(name, x0, t, key, slices=m, **settings) - implicit for m in (1, 8))

    one, eight = over_draws(function, [0.2])[0.2]
    for differences in (one, eight):
        assert_mean_is_zero(differences)
    variances = [np.mean(values**2) for values in (one, eight)]
    errors = [np.std(values**2) / np.sqrt(N) for values in (one, eight)]
    ratio = variances[0] / variances[1]
    error = ratio * np.hypot(*(e / v for e, v in zip(errors, variances, strict=True)))
    assert abs(ratio - 8) < 4 * error
    assert error < 1


def test_exact_mean_of_the_square_lowers_the_variance():
    at = found()[0.2]
    plain, reduced = (at[name] - at["ism"] for name in ("ssm", "ssm_vr"))
    assert reduced.var() < 0.85 * plain.var()


def test_finite_differences_converge_at_second_order_in_the_step():
    """Both use the same points and directions, so that nothing random differs."""
    steps = (0.1, 0.05, 0.025)

    def function(x0, t, key):
        limit = value("ssm_vr", x0, t, key)
        return jnp.array([value("fsm", x0, t, key, fd_step=step) - limit for step in steps])

    for each in over_draws(function, TIMES, 4000).values():
        largest = np.sqrt(np.mean(each**2, axis=0))
        np.testing.assert_allclose(largest[:-1] / largest[1:], 4, rtol=0.03)
        bias = each.mean(axis=0)
        np.testing.assert_allclose(bias[:-1] / bias[1:], 4, rtol=0.03)
        assert largest[-1] < 1e-2


@pytest.mark.parametrize("t", TIMES)
def test_finite_differences_at_the_default_step_agree_with_implicit(t):
    at = found()[t]
    assert_mean_is_zero(at["fsm"] - at["ism"])


def test_score_jacobian_is_the_mean_of_the_second_order_targets():
    """With the right score and a scaled Jacobian, the loss is smallest at the scale one."""

    def function(x0, t, key):
        objective = make_objective("dsm2", slices=2)

        def loss(a):
            def field(x, t):
                other = jnp.tanh(2 * x) / SDE.sigma(t)
                return EXACT(x, t) + a * (other - jax.lax.stop_gradient(other))

            return objective(BoundModel(SDE, field), x0, t, key)

        return jax.grad(loss)(0.0), loss(0.2) - loss(0.0)

    for slopes, rises in over_draws(function, TIMES, 5 * N, seed=3).values():
        assert_mean_is_zero(slopes)
        assert rises.mean() > 5 * rises.std() / np.sqrt(5 * N)


def test_second_order_with_zero_weights_is_denoising():
    at = found()[0.2]
    np.testing.assert_allclose(at["unweighted dsm2"] - at["dsm"], 0, atol=1e-12)


def test_a_reference_batch_has_the_score_of_the_mixture_around_it():
    """One of three examples is x0 and two are the drawn one: weights of a third and two thirds."""
    x0, other, t, key = jnp.array([0.4, -0.1]), jnp.array([-0.2, 0.3]), 0.2, jax.random.key(3)
    loss = DenoisingScoreMatching(reference=3, draw=lambda key: other)
    model = BoundModel(SDE, wrong_score(SDE, 1.0))
    law = GaussianMixture(jnp.array([1, 2]) / 3, jnp.stack([x0, other]), jnp.zeros(2))
    x, _ = add_noise(SDE, x0, t, key)
    error = model.score(x, t) - law.score_fn(SDE)(x, t)
    want = 0.5 * SDE.sigma(t) ** 2 * jnp.sum(error**2)
    np.testing.assert_allclose(loss(model, x0, t, key), want, rtol=1e-5)


def test_a_reference_batch_leads_from_denoising_to_explicit_score_matching():
    """The deviation from the explicit loss falls as the root of the number of examples."""
    law, model = Empirical(jnp.array([[-1.0], [0.3], [0.9]])), BoundModel(SDE, lambda x, t: -x)

    @tiny.optimized
    def deviations(keys):
        def one(key):
            x0_key, key = jax.random.split(key)
            x0, explicit = law.sample(x0_key), ExplicitScoreMatching(law)
            losses = [
                DenoisingScoreMatching(n, law.sample)(model, x0, 0.2, key) for n in (1, 16, 256)
            ]
            return jnp.stack(losses) - explicit(model, x0, 0.2, key)

        return jnp.sqrt(jnp.mean(jax.vmap(one)(keys) ** 2, axis=0))

    one, some, many = deviations(jax.random.split(jax.random.key(5), 2000))
    assert some < 0.6 * one
    assert 0.15 < many / some < 0.4  # 1/4 by the law of large numbers
