"""Draws counted node by node: their moments, the error of a weighted sum, where the next go."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from likelihood.tally import Tally

NODES = 7
RNG = np.random.default_rng(0)


def filled(rounds):
    """A tally of rounds of ``(nodes, draws)``, and the draws at each node."""
    tally, found = Tally.empty(NODES), [[] for _ in range(NODES)]
    for nodes, draws in rounds:
        tally = tally.add(jnp.asarray(nodes), jnp.asarray(draws, jnp.float32))
        for node, row in zip(nodes, draws, strict=True):
            found[node].extend(row)
    return tally, found


def several_rounds():
    first = (np.arange(NODES), 1e4 + RNG.normal(size=(NODES, 3)))
    again = (np.array([2, 2, 5]), 1e4 + RNG.normal(size=(3, 3)))
    return filled([first, again])


def test_moments_are_those_of_all_draws_even_far_from_zero():
    tally, found = several_rounds()
    np.testing.assert_array_equal(tally.count, [len(each) for each in found])
    np.testing.assert_allclose(tally.mean, [np.mean(each) for each in found], rtol=1e-6)
    want = [np.var(each) * len(each) for each in found]
    np.testing.assert_allclose(tally.squares, want, rtol=0.02)  # float32 resolves 1e4 to 1e-3


def test_variances_are_pooled_over_five_nodes_weighted_by_freedom():
    tally, found = several_rounds()
    squares = [np.var(each) * len(each) for each in found]
    freedom = [len(each) - 1 for each in found]
    near = [slice(max(0, i - 2), i + 3) for i in range(NODES)]
    want = [sum(squares[s]) / sum(freedom[s]) for s in near]
    np.testing.assert_allclose(tally.variance, want, rtol=0.02)


def test_the_error_of_a_weighted_sum_is_its_spread():
    """The same number of draws of the same spread everywhere: a closed form."""
    weights, draws = jnp.linspace(1.0, 2.0, NODES), 400
    tally, _ = filled([(np.arange(NODES), RNG.normal(size=(NODES, draws)))])
    want = np.sqrt(np.sum(np.square(weights)) / draws)
    # The spread of 2800 normal draws is known to 1.3 per cent.
    np.testing.assert_allclose(tally.standard_error(weights), want, rtol=0.06)


def test_draws_are_allotted_in_proportion_to_weight_and_spread():
    spread = np.array([0.0, 0.0, 1.0, 1.0, 4.0, 4.0, 4.0])
    flat = Tally(jnp.full(NODES, 2.0), jnp.zeros(NODES), jnp.asarray(spread**2))
    wide = jnp.ones(NODES)
    nodes = jax.jit(lambda tally: tally.allot(wide, 2, 600))(flat)
    count = np.bincount(nodes, minlength=NODES) * 2 + 2
    want = np.sqrt(np.asarray(flat.variance))
    np.testing.assert_allclose(count / count.sum(), want / want.sum(), atol=0.005)


@pytest.mark.parametrize("draws", [1, 3])
def test_draws_that_agree_leave_no_error(draws):
    tally, _ = filled([(np.arange(NODES), np.ones((NODES, draws)))])
    assert tally.standard_error(jnp.ones(NODES)) == 0
