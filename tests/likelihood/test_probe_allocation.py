"""Tests of probes counted by node: moments, the error of a weighted sum, and their allocation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.likelihood.probe_allocation import ProbeAllocation

NODES = 7
RNG = np.random.default_rng(0)
EVERYWHERE = np.tile(np.arange(NODES), (2, 1))


def filled(rounds):
    """Return an allocation after rounds of ``(2, nodes, draws)``, and its probes."""
    allocation, found = ProbeAllocation.empty(NODES), [[[] for _ in range(NODES)] for _ in range(2)]
    for nodes, draws in rounds:
        allocation = allocation.add(jnp.asarray(nodes), jnp.asarray(draws, jnp.float32))
        for half in range(2):
            for node, row in zip(nodes[half], draws[half], strict=True):
                found[half][node].extend(row)
    return allocation, found


def several_rounds():
    first = (EVERYWHERE, 1e4 + RNG.normal(size=(2, NODES, 3)))
    again = (np.array([[2, 2, 5], [0, 1, 0]]), 1e4 + RNG.normal(size=(2, 3, 3)))
    return filled([first, again])


def hand_made(squares):
    """Return two probes of each half at each node, with these squares of half their difference."""
    deviations = np.sqrt(squares / 2)
    return ProbeAllocation.empty(NODES).add(
        EVERYWHERE, np.stack([deviations, -deviations], axis=-1)
    )


def by_node(function, found):
    return [[function(each) for each in half] for half in found]


def test_moments_are_accurate_far_from_zero():
    allocation, found = several_rounds()
    np.testing.assert_array_equal(allocation.count, by_node(len, found))
    np.testing.assert_allclose(allocation.average, by_node(np.mean, found), rtol=1e-6)
    np.testing.assert_allclose(allocation.mean, np.mean(by_node(np.mean, found), axis=0), rtol=1e-6)
    want = by_node(lambda each: np.var(each) * len(each), found)
    np.testing.assert_allclose(allocation.squares, want, rtol=0.02)  # float32 resolves 1e4 to 1e-3


def test_variances_are_pooled_over_five_nodes():
    allocation, found = several_rounds()
    squares = np.array(by_node(lambda each: np.var(each) * len(each), found))
    freedom = np.array(by_node(len, found)) - 1
    near = [slice(max(0, i - 2), i + 3) for i in range(NODES)]
    want = [[squares[h, s].sum() / freedom[h, s].sum() for s in near] for h in range(2)]
    np.testing.assert_allclose(allocation.pooled_variance, want, rtol=0.02)
    np.testing.assert_allclose(allocation.variance, squares / freedom, rtol=0.02)


def test_error_and_freedom_of_a_weighted_sum():
    """The same number of probes of the same spread at every node has a closed form."""
    weights, draws = jnp.ones(NODES), 200
    allocation, _ = filled([(EVERYWHERE, RNG.normal(size=(2, NODES, draws)))])
    want = np.sqrt(NODES / (2 * draws))
    # The spread of 2800 normal draws is known to 1.3 per cent.
    np.testing.assert_allclose(allocation.standard_error(weights), want, rtol=0.06)
    np.testing.assert_allclose(allocation.freedom(weights), 2 * NODES * (draws - 1), rtol=0.03)


def test_probes_are_allocated_by_weight_and_spread_of_the_other_half():
    quiet, loud = np.zeros(NODES), np.array([0.0, 0.0, 1.0, 1.0, 4.0, 4.0, 4.0])
    allocation = hand_made(np.stack([loud**2, quiet]))
    nodes = jax.jit(lambda allocation: allocation.allocate(jnp.ones(NODES), 2, 600))(allocation)
    assert set(np.asarray(nodes[0])) == {0}  # nothing to gain anywhere: the first
    count = np.bincount(nodes[1], minlength=NODES) * 2 + 2
    want = np.sqrt(np.asarray(allocation.guide[1]))
    np.testing.assert_allclose(count / count.sum(), want / want.sum(), atol=0.005)


def test_later_probes_do_not_change_the_guide():
    """Each half decides by the first probes of the other half."""
    allocation = hand_made(np.ones((2, NODES)))
    later = allocation.add(EVERYWHERE, 100 * RNG.normal(size=(2, NODES, 2)))
    np.testing.assert_array_equal(later.guide, allocation.guide)
    np.testing.assert_array_equal(allocation.guide, allocation.pooled_variance[::-1])


def test_half_continues_by_the_variance_of_the_other():
    allocation = hand_made(np.stack([np.full(NODES, 2.0), np.zeros(NODES)]))
    # The variance of a draw is 2; of a half's mean 1 a node.
    for target, want in [(0.5 * np.sqrt(NODES), True), (np.sqrt(NODES), False)]:
        found = allocation.needs_more(jnp.ones(NODES), target)
        np.testing.assert_array_equal(found, [False, want])


@pytest.mark.parametrize("draws", [1, 3])
def test_equal_probes_have_no_error(draws):
    allocation, _ = filled([(EVERYWHERE, np.ones((2, NODES, draws)))])
    assert allocation.standard_error(jnp.ones(NODES)) == 0
