"""Tests of the integral of traces over uneven nodes, and of its variance from single estimates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.ode.node_traces import cubic_weights, node_variances, variance_of_integral

RNG = np.random.default_rng(0)
EVEN = np.linspace(-4.0, 5.0, 25)
UNEVEN = np.sort(RNG.uniform(-4.0, 5.0, 25))
DIMS = 16


@pytest.mark.parametrize("grid", [EVEN, UNEVEN, UNEVEN[::-1], EVEN[:4]])
def test_integral_is_exact_for_cubics(grid):
    with jax.enable_x64(True):
        weights = np.asarray(cubic_weights(jnp.asarray(grid)))
    for coefficients in np.eye(4):
        whole = np.polynomial.Polynomial(coefficients).integ()
        want = whole(grid[-1]) - whole(grid[0])
        np.testing.assert_allclose(weights @ np.polynomial.Polynomial(coefficients)(grid), want)


@pytest.mark.parametrize("grid", [EVEN, UNEVEN])
def test_variance_of_a_parabola_with_independent_errors_is_twice_their_squares(grid):
    """The diagonal's own change does not count, and the spread grows from node to node."""
    spread, repeats = np.linspace(0.5, 1.5, 25)[:, None], 400
    truth = np.outer(1 + grid + 0.3 * grid**2, RNG.normal(size=DIMS))
    variances = jax.jit(lambda diagonals: node_variances(diagonals, jnp.asarray(grid)))
    errors = spread * RNG.normal(size=(repeats, *truth.shape))
    found = [variances(truth + each) for each in errors]
    np.testing.assert_allclose(np.mean(found, axis=0), 2 * DIMS * spread[:, 0] ** 2, rtol=0.5)
    weights = np.ones(25)
    total = np.mean([np.sum(weights**2 * each) for each in found])
    np.testing.assert_allclose(total, np.sum(2 * DIMS * spread**2), rtol=0.05)


def test_variance_is_that_of_random_signs_and_more_for_a_lopsided_matrix():
    """``2 sum_{a != b} S_ab^2`` for symmetric S at all nodes, by one product at each."""
    J = RNG.normal(size=(DIMS, DIMS)) / 4
    weights = np.full(25, 0.4)
    for matrix, low, high in (((J + J.T) / 2, 0.93, 1.07), (J, 1.5, 2.5)):
        S = (matrix + matrix.T) / 2
        want = np.sum(weights**2) * 2 * (np.sum(S**2) - np.sum(np.diag(S) ** 2))
        signs = RNG.choice([-1.0, 1.0], (400, 25, DIMS))
        diagonals = jnp.asarray(signs * (signs @ matrix.T))
        found, freedom = jax.vmap(lambda d: variance_of_integral(d, EVEN, weights))(diagonals)
        assert low <= np.mean(found) / want <= high
        assert np.all(freedom > 50)


def test_exact_nodes_have_no_variance():
    diagonals, weights = jnp.asarray(RNG.normal(size=(25, DIMS))), jnp.ones(25)
    some = variance_of_integral(diagonals, jnp.asarray(EVEN), weights, jnp.arange(25) < 20)[0]
    assert 0 < some < variance_of_integral(diagonals, jnp.asarray(EVEN), weights)[0]
    none = variance_of_integral(diagonals, jnp.asarray(EVEN), weights, True)
    assert (float(none[0]), float(none[1])) == (0, np.inf)


@pytest.mark.parametrize("exact", [np.arange(25) > 0, np.arange(25) % 2 == 0, np.arange(25) != 12])
def test_noise_beside_exact_nodes_is_found_whole(exact):
    """A difference with three exact nodes shows the variance of the fourth alone."""
    errors = np.where(exact[:, None], 0, RNG.normal(size=(400, 25, DIMS)))
    one = jax.jit(lambda d: variance_of_integral(d, jnp.asarray(EVEN), jnp.ones(25), exact)[0])
    found = np.mean([one(each) for each in errors])
    np.testing.assert_allclose(found, 2 * DIMS * np.sum(~exact), rtol=0.1)


def test_too_few_nodes_are_refused():
    with pytest.raises(ValueError, match="nodes"):
        cubic_weights(jnp.arange(3.0))
