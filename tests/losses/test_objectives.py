"""Tests of the integrands against explicit score matching on a mixture with a known score."""

import functools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from gradlog.distributions import Distribution
from gradlog.losses import (
    INTEGRANDS,
    SLICE_LAWS,
    DenoisingScoreMatching,
    Ladder,
    Likelihood,
    OneLevel,
    ScoreMatching,
    Sigma2,
    UniformLogRho,
    Unweighted,
)
from gradlog.models import BoundModel
from gradlog.sde_lib import SDES, VE, VP
from tests.losses.making import EXPLICIT_UP_TO_A_CONSTANT, MIXTURE, make_objective, wrong_score

N = 20_000


@functools.cache
def draws(n=N):
    keys = jax.random.split(jax.random.key(1), n)
    x0 = jax.jit(jax.vmap(MIXTURE.sample))(keys)
    return x0, jax.random.split(jax.random.key(2), n)


@functools.cache
def compiled(name):
    """Return the loss at a = 0.5 minus the loss at a = 0 of every example."""
    objective = make_objective(name)

    def difference(sde, t, x0, key):
        losses = [objective(BoundModel(sde, wrong_score(sde, a)), x0, t, key) for a in (0.5, 0.0)]
        return losses[0] - losses[1]

    return jax.jit(jax.vmap(difference, (None, None, 0, 0)))


@jax.jit
def noisy(sde, t, x0, keys):
    return jax.vmap(lambda x0, key: sde.perturb(x0, t, jax.random.normal(key, (2,))))(x0, keys)


def mean_difference(name, sde, t):
    """Return the mean difference and its standard error."""
    values = np.asarray(compiled(name)(sde, t, *draws()))
    return values.mean(), values.std() / np.sqrt(N)


def explicit_difference(sde, t):
    values = 0.5 * np.sum((0.5 * np.tanh(noisy(sde, t, *draws()))) ** 2, axis=1)
    return values.mean(), values.std() / np.sqrt(N)


# An integrand meets a process in alpha and sigma alone: two that differ in them, beside VP of
# test_estimators.py.
@pytest.mark.parametrize(("sde_name", "t"), [("ve", 0.1), ("straight", 0.6)])
@pytest.mark.parametrize("name", EXPLICIT_UP_TO_A_CONSTANT)
def test_integrand_equals_explicit_score_matching_up_to_a_constant(name, sde_name, t):
    sde, t = SDES[sde_name](), jnp.asarray(t)
    got, got_error = mean_difference(name, sde, t)
    want, want_error = explicit_difference(sde, t)
    assert abs(got - want) < 4 * np.hypot(got_error, want_error)
    assert want > 10 * want_error


@pytest.mark.parametrize("name", INTEGRANDS)
def test_integrand_is_a_scalar_for_data_of_any_shape(name):
    """The value does not depend on the shape, for the same noise in the same order."""
    sde, t, key = VP(), jnp.asarray(0.3), jax.random.key(3)
    score_fn = lambda x, t: -jnp.tanh(x) / sde.sigma(t)  # noqa: E731
    x0, flat = jnp.linspace(-1.0, 1.0, 12), DistributionOfShape((12,))
    folded = DistributionOfShape((2, 3, 2))

    @jax.jit
    def both(x0):
        model, folded_x0 = BoundModel(sde, score_fn), x0.reshape(2, 3, 2)
        return (
            make_objective(name, flat)(model, x0, t, key),
            make_objective(name, folded)(model, folded_x0, t, key),
        )

    want, got = both(x0)
    assert got.shape == ()
    np.testing.assert_allclose(got, want, rtol=1e-5)


@struct.dataclass
class DistributionOfShape(Distribution):
    """A standard normal distribution."""

    size: tuple = struct.field(pytree_node=False)

    @property
    def shape(self):
        return self.size

    def sample(self, key):
        return jax.random.normal(key, self.size)

    def log_density(self, x, alpha=1.0, sigma=0.0):
        return -0.5 * jnp.sum(x**2) / (alpha**2 + sigma**2)


@pytest.mark.parametrize("chunk", [1, 5, 12])
def test_trace_in_chunks_has_the_same_value_and_gradient(chunk):
    x = jnp.linspace(-1.0, 1.0, 12).reshape(3, 4)
    weights = jax.random.normal(jax.random.key(0), (12, 12))
    objective = make_objective("ism", chunk=chunk)

    def trace(weights):
        score_fn = lambda x, t: jnp.tanh(weights @ x.ravel()).reshape(x.shape)  # noqa: E731
        return objective.trace(score_fn, x, jnp.asarray(0.3))

    def by_hand(weights):
        return jnp.vdot(jnp.diag(weights), 1 - jnp.tanh(weights @ x.ravel()) ** 2)

    (got, got_slope), (want, want_slope) = (
        jax.jit(jax.value_and_grad(function))(weights) for function in (trace, by_hand)
    )
    np.testing.assert_allclose(got, want, rtol=1e-5)
    np.testing.assert_allclose(got_slope, want_slope, atol=1e-5)


@pytest.mark.parametrize("name", SLICE_LAWS)
def test_slices_have_unit_covariance_and_the_right_fourth_moment(name):
    """``E (v^T D v)^2`` for D = diag(1, 2, 3) is ``6^2`` plus the variance of the distribution."""
    keys = jax.random.split(jax.random.key(5), 40_000)
    v = np.asarray(jax.vmap(lambda key: SLICE_LAWS[name](key, (3,), jnp.float32))(keys), float)
    products = v[:, :, None] * v[:, None, :]
    error = products.std(axis=0) / np.sqrt(len(v))
    assert np.all(np.abs(products.mean(axis=0) - np.eye(3)) <= 4 * error + 1e-6)
    squares = np.sum(v**2 * [1, 2, 3], axis=1) ** 2
    # Gaussian: 2 tr D^2 = 28; sphere: E (v^T D v)^2 = d/(d + 2) ((tr D)^2 + 2 tr D^2).
    want = {"rademacher": 36, "gaussian": 36 + 28, "sphere": 3 / 5 * (36 + 28)}[name]
    assert abs(squares.mean() - want) <= 4 * squares.std() / np.sqrt(len(v)) + 1e-4


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("ssm", {"slices": 0}, "slices must be at least 1, got 0"),
        ("ssm_vr", {"slices": 0}, "slices must be at least 1, got 0"),
        ("fsm", {"fd_step": 0.0}, "fd_step must be positive, got 0.0"),
        ("ism", {"chunk": 0}, "chunk must be at least 1, got 0"),
        ("dsm2", {"trace_weight": -1.0}, "must not be negative, got -1.0 and 1.0"),
    ],
)
def test_invalid_settings_raise(name, settings, message):
    with pytest.raises(ValueError, match=message):
        make_objective(name, **settings)


def scaled_truth(sde, factor):
    """Return a model whose score is a factor times the true one."""
    exact = MIXTURE.score_fn(sde)
    return BoundModel(sde, lambda x, t: factor * exact(x, t))


def test_loss_integrates_over_time_for_every_proposal():
    from gradlog.losses import UniformTime

    sde, eps = VP(), 1e-3
    x0, keys = draws(40_000)
    u = (jnp.arange(40_000) + 0.5) / 40_000
    values = {}
    for name, proposal in {"uniform": UniformTime(), "log_rho": UniformLogRho()}.items():
        loss = ScoreMatching(DenoisingScoreMatching(), Likelihood(), proposal, eps)
        model = scaled_truth(sde, 1.0)
        each = jax.jit(jax.vmap(partial(loss.at_point, model)))
        per_example = np.asarray(each(x0, u, keys))
        values[name] = per_example.mean(), per_example.std() / np.sqrt(len(u))
    (a, a_error), (b, b_error) = values.values()
    assert abs(a - b) < 4 * np.hypot(a_error, b_error)
    assert b_error < 0.7 * a_error


LEVELS = 5


@pytest.mark.parametrize("weighting", [Sigma2(), Unweighted()])
def test_loss_over_a_ladder_equals_the_mean_over_its_levels(weighting):
    """The levels and weights ``lambda / sigma^2`` are computed by hand; every level occurs once."""
    sde, eps, objective = VE(sigma_min=0.1, sigma_max=10.0), 1e-3, DenoisingScoreMatching()
    x0, keys = draws(LEVELS)
    loss = ScoreMatching(objective, weighting, Ladder(LEVELS), eps)
    u = (jnp.arange(LEVELS) + 0.5) / LEVELS
    got = jax.jit(jax.vmap(partial(loss.at_point, scaled_truth(sde, 0.7))))(x0, u, keys)
    sigma_eps = 0.1 * 100**eps

    @jax.jit
    @jax.vmap
    def by_hand(i, x0, key):
        sigma = 10.0 * (sigma_eps / 10.0) ** (i / (LEVELS - 1))
        z = jax.random.normal(key, (2,))
        score = 0.7 * jax.grad(MIXTURE.log_density)(x0 + sigma * z, 1.0, sigma)
        weight = 1.0 if isinstance(weighting, Sigma2) else 1 / sigma**2
        return weight * 0.5 * jnp.sum((sigma * score + z) ** 2) / 2

    want = by_hand(jnp.arange(LEVELS), x0, keys)
    np.testing.assert_allclose(np.mean(got), np.mean(want), rtol=1e-4)


def test_loss_at_one_level_equals_the_integrand_there():
    sde, eps, objective = VP(), 0.2, DenoisingScoreMatching()
    x0, keys = draws(3)
    loss, model = ScoreMatching(objective, Unweighted(), OneLevel(), eps), scaled_truth(sde, 0.7)
    got = jax.jit(jax.vmap(partial(loss.at_point, model)))(x0, 0.4 * jnp.arange(3), keys)
    want = jax.jit(jax.vmap(partial(objective, model)))(x0, jnp.full(3, eps), keys)
    np.testing.assert_allclose(got, np.array(want) / sde.sigma(eps) ** 2 / 2, rtol=1e-5)
