"""Tests of the gradient of a log density in the point and in the parameters."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from known_laws import exact_prior, in_float64

from gradlog.distributions import Gaussian, GaussianMixture
from gradlog.likelihood import (
    AsSample,
    Exact,
    Noised,
    ODELikelihood,
    Quadrature,
    Rademacher,
    SciPyLikelihood,
    differentiable,
    log_density_fn,
)
from gradlog.models import BoundModel
from gradlog.ode import ADJOINTS, Adaptive, Fixed, LogRhoFlow
from gradlog.sde_lib import VP

EPS, SDE = 1e-3, VP()
LAWS = {
    "gaussian": Gaussian(jnp.array([0.1, -0.3, 0.6]), jnp.array([0.1, 0.4, 0.9])),
    # Its point lies between the two: the Jacobian is far from diagonal there.
    "mixture": GaussianMixture(
        jnp.array([0.3, 0.7]),
        jnp.array([[-0.4, 0.2, 0.1], [0.3, -0.1, 0.3]]),
        jnp.array([0.2, 0.25]),
    ),
}
_AT_THE_POINT = AsSample()
X, KEY = np.array([0.0, 0.1, 0.15]), jax.random.key(0)
DIVERGENCES = {"exact": Exact(), "rademacher": Rademacher()}


def estimate(divergence="exact", adjoint="checkpoint", start=_AT_THE_POINT):
    solver = Adaptive(rtol=1e-9, atol=1e-9, max_steps=512, adjoint=adjoint)
    return ODELikelihood(solver, LogRhoFlow(), DIVERGENCES[divergence], EPS, start)


def density(likelihood):
    """Return ``f(distribution, x)``, with the score and the exact prior of that distribution."""

    def f(law, x):
        own = replace(likelihood, prior_log_prob=exact_prior(law, SDE))
        bind = lambda law: BoundModel(SDE, law.score_fn(SDE))  # noqa: E731
        return log_density_fn(own, bind)(law, x, KEY)

    return f


def flat(law_name):
    """Return the parameters and the point as one vector in float64, and the inverse map."""
    return ravel_pytree((in_float64(LAWS[law_name]), jnp.asarray(X, float)))


@functools.cache
def gradient(law_name, divergence, adjoint):
    with jax.enable_x64(True):
        point, unflat = flat(law_name)
        f = density(estimate(divergence, adjoint))
        return jax.device_get(jax.jit(jax.value_and_grad(lambda v: f(*unflat(v))))(point))


@functools.cache
def truth(law_name):
    with jax.enable_x64(True):
        point, unflat = flat(law_name)

        def log_p(v):
            law, x = unflat(v)
            return law.log_density_fn(SDE)(x, EPS)

        return jax.device_get(jax.value_and_grad(log_p)(point))


@functools.cache
def differences(law_name, divergence, step=1e-4):
    """Return central differences in every parameter and every coordinate of the point."""
    with jax.enable_x64(True):
        point, unflat = flat(law_name)
        f = density(estimate(divergence))
        along = step * jnp.eye(len(point))
        values = jax.jit(jax.vmap(lambda v: f(*unflat(v))))(
            jnp.concatenate([point + along, point - along])
        )
        return np.asarray(values[: len(point)] - values[len(point) :]) / (2 * step)


# Random signs are exact on the diagonal Jacobian of this Gaussian.
CLOSED_FORMS = [("gaussian", "rademacher"), ("mixture", "exact")]


@pytest.mark.parametrize("adjoint", ADJOINTS)
@pytest.mark.parametrize(("law", "divergence"), CLOSED_FORMS)
def test_gradients_in_x_and_parameters_equal_those_of_the_distribution(law, divergence, adjoint):
    """Local errors of 1e-9 over some hundred steps, each amplified by up to 1/std = 10."""
    (value, got), (want_value, want) = gradient(law, divergence, adjoint), truth(law)
    np.testing.assert_allclose(value, want_value, rtol=0, atol=1e-6)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)
    score = LAWS[law].score_fn(SDE)(jnp.asarray(X), EPS)
    np.testing.assert_allclose(got[-3:], score, rtol=1e-4)  # in float32


# With a probe every adjoint is compared with the closed form above.
@pytest.mark.parametrize(
    ("divergence", "adjoint"), [*(("exact", a) for a in ADJOINTS), ("rademacher", "checkpoint")]
)
def test_gradient_agrees_with_central_differences_of_the_estimate(divergence, adjoint):
    """Central differences have an error of step^2 / (6 std^3): below 2e-5 absolute."""
    _, got = gradient("mixture", divergence, adjoint)
    np.testing.assert_allclose(got, differences("mixture", divergence), rtol=1e-5, atol=2e-5)


def test_gradient_depends_on_the_probe():
    """Otherwise the test above could not distinguish the two."""
    exact, probed = (gradient("mixture", name, "checkpoint")[1] for name in DIVERGENCES)
    assert np.abs(exact - probed).max() > 0.1


def test_gradient_is_per_example_and_includes_the_step_to_eps():
    with jax.enable_x64(True):
        f = density(estimate(start=Noised()))
        run = jax.jit(jax.vmap(jax.value_and_grad(f, argnums=1), (None, 0)))
        law, step = in_float64(LAWS["mixture"]), 1e-4
        xs = X + step * np.array([[0.0], [1.0], [-1.0]])
        values, slopes = jax.device_get(run(law, xs))
        _, others = jax.device_get(run(law, np.stack([xs[0], xs[0] + 3, xs[0] - 3])))
    np.testing.assert_array_equal(slopes[0], others[0])
    # The noise is the same in each: a central difference along (1, 1, 1).
    np.testing.assert_allclose(slopes[0].sum(), (values[1] - values[2]) / (2 * step), rtol=1e-5)


def test_value_and_gradient_are_nan_where_the_solver_fails():
    few = replace(estimate(), solver=Adaptive(1e-6, 1e-6, max_steps=3))
    law = LAWS["gaussian"]
    both = jax.jit(jax.value_and_grad(density(few), argnums=1))
    value, slope = both(law, jnp.asarray(X, jnp.float32))
    assert np.isnan(value)
    assert np.all(np.isnan(slope))


def test_differentiable_quadrature_has_a_gradient():
    with jax.enable_x64(True):
        solver = Adaptive(rtol=1e-7, atol=1e-7, max_steps=512)
        wanted = Quadrature(solver, Exact(), eps=EPS, start=AsSample(), intervals=48)
        f = density(differentiable(wanted, "checkpoint"))
        law = in_float64(LAWS["gaussian"])
        got = jax.jit(jax.grad(f, argnums=1))(law, jnp.asarray(X))
        want = law.score_fn(SDE)(jnp.asarray(X), EPS)
    # Of a Gaussian the divergence does not depend on the point: the path and its end do.
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_differentiable_changes_the_adjoint_alone():
    changed = differentiable(estimate(), "direct")
    assert changed == replace(estimate(adjoint="direct"))
    assert differentiable(estimate()) == estimate()


@pytest.mark.parametrize(
    ("likelihood", "adjoint", "says"),
    [
        (SciPyLikelihood(1e-3, 1e-3, EPS, AsSample()), None, "runs on the host"),
        (replace(estimate(), solver=Fixed(5)), "direct", "ODELikelihood has no adaptive solver"),
        (estimate(), "forwards", "choose one of .'backsolve', 'checkpoint', 'direct'."),
    ],
)
def test_estimators_without_gradient_raise(likelihood, adjoint, says):
    with pytest.raises(ValueError, match=says) as caught:
        differentiable(likelihood, adjoint)
    assert "\n" not in str(caught.value)
