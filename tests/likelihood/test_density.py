"""Tests of the gradient of a log density in the point and in the parameters."""

import functools
from dataclasses import dataclass, replace

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
    LogProb,
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


@dataclass(frozen=True, eq=False)
class Given(Rademacher):
    """One probe that is known."""

    probe: jax.Array | None = None

    def draw(self, key, shape):
        return self.probe[None]


def estimate(adjoint="checkpoint", divergence=None, start=_AT_THE_POINT):
    solver = Adaptive(rtol=1e-9, atol=1e-9, max_steps=512, adjoint=adjoint)
    return ODELikelihood(solver, LogRhoFlow(), divergence or Exact(), EPS, start)


def density(likelihood):
    """Return ``f(distribution, x)``, with the score and the exact prior of that distribution."""

    def f(law, x):
        own = replace(likelihood, prior_log_prob=exact_prior(law, SDE))
        bind = lambda law: BoundModel(SDE, law.score_fn(SDE))  # noqa: E731
        return log_density_fn(own, bind)(law, x, KEY)

    return f


def flat():
    """Return the mixture and the point as one vector in float64, and the inverse map."""
    return ravel_pytree((in_float64(LAWS["mixture"]), jnp.asarray(X, float)))


@functools.cache
def truth():
    with jax.enable_x64(True):
        point, unflat = flat()

        def log_p(v):
            law, x = unflat(v)
            return law.log_density_fn(SDE)(x, EPS)

        return jax.device_get(jax.jit(jax.value_and_grad(log_p))(point))


@pytest.mark.parametrize("adjoint", ADJOINTS)
def test_gradients_in_x_and_parameters_equal_those_of_the_distribution(adjoint):
    """Local errors of 1e-9 over some hundred steps, each amplified by up to 1/std = 5."""
    with jax.enable_x64(True):
        point, unflat = flat()
        f = density(estimate(adjoint))
        run = jax.jit(jax.value_and_grad(lambda v: f(*unflat(v))))
        value, got = jax.device_get(run(point))
    want_value, want = truth()
    np.testing.assert_allclose(value, want_value, rtol=0, atol=1e-6)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)
    score = LAWS["mixture"].score_fn(SDE)(jnp.asarray(X), EPS)
    np.testing.assert_allclose(got[-3:], score, rtol=1e-4)  # in float32


STEP = 1e-4  # of central differences


@functools.cache
def with_a_probe():
    """Return the estimate and its gradient in all numbers, with the step to eps, for rows.

    The first row is the point, then it is moved by a step in every number, up and down. Two further
    calls have other rows after the first, and another probe.
    """
    with jax.enable_x64(True):
        point, unflat = flat()

        @jax.jit
        def run(rows, probe):
            f = density(estimate(divergence=Given(probe=probe), start=Noised()))
            return jax.vmap(jax.value_and_grad(lambda v: f(*unflat(v))))(rows)

        along = STEP * np.concatenate([np.zeros((1, len(point))), np.eye(len(point))])
        rows, probe = np.concatenate([point + along, point - along[1:]]), np.ones(3)
        others = rows + np.where(np.arange(len(rows)) > 0, 0.03, 0.0)[:, None]
        found = [run(rows, probe), run(others, probe), run(rows, probe * [1, -1, 1])]
        return jax.device_get(found)


def test_gradient_with_a_probe_agrees_with_central_differences_of_the_estimate():
    """Central differences have an error of step^2 / (6 std^3): below 2e-5 absolute.

    The noise of the step to eps is the same in each row.
    """
    values, slopes = with_a_probe()[0]
    up, down = np.split(values[1:], 2)
    np.testing.assert_allclose(slopes[0], (up - down) / (2 * STEP), rtol=1e-5, atol=2e-5)


def test_gradient_is_per_example_and_depends_on_the_probe():
    (_, slopes), (_, others), (_, probed) = with_a_probe()
    np.testing.assert_array_equal(slopes[0], others[0])
    assert np.abs(slopes[0] - probed[0]).max() > 0.1


def test_value_and_gradient_are_nan_where_the_solver_fails():
    def failing(model, xs, keys):
        nothing, ones = jnp.zeros(len(xs)), jnp.ones(len(xs), int)
        nats = -jnp.sum(xs**2, axis=1)
        return LogProb({"prior": nats}, {}, nothing, xs, ones, ones, xs[:, 0] > 0)

    f = log_density_fn(failing, lambda law: BoundModel(SDE, law.score_fn(SDE)))
    both = jax.jit(jax.value_and_grad(f, argnums=1))
    value, slope = both(LAWS["gaussian"], jnp.array([1.0, 2.0]), KEY)
    assert (value, *slope) == (-5, -2, -4)
    value, slope = both(LAWS["gaussian"], jnp.array([-1.0, 2.0]), KEY)
    assert np.isnan([value, *slope]).all()


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
    assert differentiable(estimate(), "direct") == estimate("direct")
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
