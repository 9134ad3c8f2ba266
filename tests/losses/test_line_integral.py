"""Tests of the bound where each dimension has noise levels of its own."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import per_dimension
import pytest
import tiny
from per_dimension import PROCESS, X, bent, model

from gradlog.losses import ELBO_FORMS, EvidenceBound, UniformLogRho, UniformTime
from gradlog.sde_lib import check_process

GAIN = jnp.array([0.6, 1.0])  # a score with errors that differ by dimension
COUNT = 10_000


def elbo(form: str = "dsm", proposal=None) -> EvidenceBound:
    integrand, offset = ELBO_FORMS[form]
    return EvidenceBound(integrand(), offset, proposal or UniformTime(), eps=0.0)


def in_float64(tree):
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, np.float64)), tree)


@tiny.optimized
@jax.grad
def slope_of_the_bound(params, x, gain):
    return per_dimension.bound(PROCESS.bind(params), x, gain)


def closed_slope(gain, shared: bool = False):
    """Return the gradient of the closed bound by the process, in float64."""
    with jax.enable_x64(True):
        params, x, gain = (in_float64(tree) for tree in (bent(), X, gain))
        if shared:  # one schedule and one pair of ends for both dimensions
            params = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[:1], leaf.shape), params)
        return jax.device_get(slope_of_the_bound(params, x, gain))


@pytest.mark.parametrize("form", ELBO_FORMS)
def test_mean_is_the_line_integral(form):
    process = PROCESS.bind(bent())
    u, keys = (jnp.arange(COUNT) + 0.5) / COUNT, jax.random.split(jax.random.key(0), COUNT)
    one = lambda u, key: elbo(form)(model(process, GAIN), X, u, key).value  # noqa: E731
    found = tiny.optimized(jax.vmap(one))(u, keys)
    error = np.std(found) / math.sqrt(COUNT)
    assert abs(np.mean(found) - per_dimension.bound(process, X, GAIN) / 2) < 4 * error
    assert error < 0.08


def test_exact_score_has_the_same_bound_on_every_way():
    """The line integral of the exact errors is that of a gradient (Palomar & Verdu 2006)."""
    for leaf in jax.tree.leaves(closed_slope(jnp.ones(2))["inside"]):
        np.testing.assert_allclose(leaf, 0, atol=1e-4)


def test_wrong_score_makes_the_way_matter_but_not_that_of_a_common_schedule():
    slope = closed_slope(GAIN)["inside"]
    assert max(np.abs(leaf).max() for leaf in slope.values()) > 1e-2
    # All dimensions moved together: the sum over them is the gradient of a scalar schedule.
    for leaf in closed_slope(GAIN, shared=True)["inside"].values():
        np.testing.assert_allclose(leaf.sum(), 0, atol=1e-4)


def test_gradient_by_the_process_is_that_of_the_line_integral():
    """Of the inside and of the ends; the points move with both."""
    u, keys = (jnp.arange(COUNT) + 0.5) / COUNT, jax.random.split(jax.random.key(1), COUNT)

    def one(params, u, key):
        return elbo()(model(PROCESS.bind(params), GAIN), X, u, key).value

    found = tiny.optimized(jax.vmap(jax.grad(one), (None, 0, 0)))(bent(), u, keys)
    wanted = closed_slope(GAIN)
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for draws, slope in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        error = np.std(draws, axis=0) / math.sqrt(COUNT)
        assert np.all(np.abs(np.mean(draws, axis=0) - slope / 2) < 4 * error + 1e-3)


def test_levels_even_in_log_rho_are_refused():
    with pytest.raises(ValueError, match="Multivariate"):
        check_process(elbo(proposal=UniformLogRho()), PROCESS)
    check_process(elbo(), PROCESS)
