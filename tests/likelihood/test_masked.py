"""Estimators of masked models against sums over all masks, all orders and all sequences."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tokens import chain, exact_model, wrong_model

from gradlog.likelihood import ExactBySubsets, MaskedBound, Orders, UpperBound
from gradlog.losses import MaskedCrossEntropy, cross_entropy
from gradlog.sde_lib import MASK_SCHEDULES, Masking, OnePosition

LEVELS, LENGTH = 3, 4
X = jnp.array([2, 0, 1, 1])
EVERY_MASK = [m for m in itertools.product((False, True), repeat=LENGTH) if any(m)]


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def cross_entropies(model, x):
    """Return the sum of the cross-entropies over each set of ``EVERY_MASK``."""
    x_t = np.where(EVERY_MASK, model.process.mask, x)
    return np.asarray(jax.jit(jax.vmap(lambda each: cross_entropy(model, x, each)))(x_t))


def mean_cross_entropies(model, x):
    """``c_m`` for m = 1 .. L: the mean over all sets of m positions of the mean over the set."""
    sums, counts = cross_entropies(model, x), np.sum(EVERY_MASK, axis=1)
    return np.array([np.mean(sums[counts == m]) / m for m in range(1, len(x) + 1)])


def log_prob_by_orders(model, x):
    """The log of the mean over all orders of the product of conditionals."""
    orders = np.array(list(itertools.permutations(range(len(x)))))
    total, logits_of = np.zeros(len(orders)), jax.jit(jax.vmap(model.logits))
    for j, places in enumerate(orders.T):  # the position that each order shows next
        visible = (orders[:, :j, None] == np.arange(len(x))).any(axis=1)
        logits = logits_of(np.where(visible, x, model.process.mask))
        total += np.asarray(logits)[np.arange(len(orders)), places, np.asarray(x)[places]]
    return math.log(np.mean(np.exp(total)))


def evaluate(estimator, model, xs, keys):
    return jax.jit(lambda xs, keys: estimator(model, xs, keys))(xs, keys)


@pytest.mark.parametrize("name", sorted(MASK_SCHEDULES))
def test_continuous_time_is_the_chain_of_jumps_for_every_schedule(name):
    """``int -alpha'/(1-alpha) E sum dt = sum_m c_m``, by Gauss's rule in t."""
    make = MASK_SCHEDULES[name]
    process = Masking(LEVELS, make(2.0) if name == "polynomial" else make())
    model = wrong_model(process, LENGTH)
    jumps = np.sum(mean_cross_entropies(model, X))
    nodes, weights = np.polynomial.legendre.leggauss(60)
    times, weights = (nodes + 1) / 2, weights / 2
    total = 0.0

    @jax.jit
    @jax.vmap
    def at(t):
        return process.alpha(t), process.weight(t, jnp.asarray(1), LENGTH)

    alpha, rate = map(np.asarray, at(times))
    for mask, sums in zip(EVERY_MASK, cross_entropies(model, X), strict=True):
        count = sum(mask)
        share = (1 - alpha) ** count * alpha ** (LENGTH - count)
        total += sums * np.sum(weights * rate * share)
    assert total == pytest.approx(jumps, rel=1e-12)


@pytest.mark.parametrize("steps", [5, 40])
def test_the_bound_of_a_chain_is_the_kl_of_its_paths(steps):
    """``sum_m P(M_T >= m) c_m`` and the prior, against the steps' cross-entropies one by one."""
    process = OnePosition(LEVELS, num_steps=steps)
    model = wrong_model(process, LENGTH)
    c = mean_cross_entropies(model, X)
    # q_i by its own recursion, and of each step E[-log p(what it masked | x_i)].
    law, by_steps = np.zeros(LENGTH + 1), 0.0
    law[0] = 1.0
    for _ in range(steps):
        moves = law[:-1] * (1 - np.arange(LENGTH) / LENGTH)
        by_steps += np.sum(moves * c)
        law = law * np.arange(LENGTH + 1) / LENGTH + np.concatenate([[0], moves])
    visible = LENGTH - law @ np.arange(LENGTH + 1)
    reach = np.asarray(process.reach(LENGTH))
    assert np.sum(reach * c) == pytest.approx(by_steps, rel=1e-12)
    prior = float(process.prior_log_prob(LENGTH))
    assert prior == pytest.approx(-visible * math.log(LEVELS), rel=1e-12)


def test_the_steps_of_a_short_chain_alone_are_no_bound():
    """What is visible at its end must be paid for: even the exact model seems better than it is."""
    process = OnePosition(LEVELS, num_steps=5)
    c = mean_cross_entropies(exact_model(process, LENGTH), X)
    assert np.sum(np.asarray(process.reach(LENGTH)) * c) < -chain(LENGTH, LEVELS).log_prob(X) - 0.5


def test_a_long_chain_has_the_bound_of_continuous_time():
    reach = OnePosition(LEVELS, num_steps=200).reach(LENGTH)
    np.testing.assert_allclose(reach, Masking(LEVELS).reach(LENGTH), rtol=1e-12)


def test_the_exact_sum_over_sets_is_that_over_orders():
    """And so the probabilities of all sequences add up to one."""
    model = wrong_model(Masking(LEVELS), LENGTH)
    xs = np.array(list(itertools.product(range(LEVELS), repeat=LENGTH)))
    keys = jax.random.split(jax.random.key(0), len(xs))
    nats = np.asarray(evaluate(ExactBySubsets(), model, xs, keys).nats)
    (own,) = np.flatnonzero((xs == np.asarray(X)).all(axis=1))
    assert nats[own] == pytest.approx(log_prob_by_orders(model, X), rel=1e-12)
    assert np.sum(np.exp(nats)) == pytest.approx(1, abs=1e-12)


def test_with_exact_conditionals_the_bound_is_tight():
    model, law = exact_model(Masking(LEVELS), LENGTH), chain(LENGTH, LEVELS)
    bound = -np.sum(mean_cross_entropies(model, X))
    assert bound == pytest.approx(float(law.log_prob(X)), rel=1e-12)


def test_with_exact_conditionals_every_order_gives_the_truth():
    model = exact_model(Masking(LEVELS), LENGTH)
    truth = float(chain(LENGTH, LEVELS).log_prob(X))
    estimators = (ExactBySubsets(), Orders(2), UpperBound(4))
    keys = jax.random.split(jax.random.key(0), 1)
    run = jax.jit(lambda xs: [estimator(model, xs, keys) for estimator in estimators])
    for found in run(X[None]):
        total = sum(float(part[0]) for part in found.parts.values())
        assert total == pytest.approx(truth, rel=1e-12)
        assert float(found.standard_error[0]) == pytest.approx(0, abs=1e-12)


def test_the_exact_value_lies_between_the_bounds_and_more_orders_are_closer():
    model = wrong_model(Masking(LEVELS), LENGTH)
    exact = log_prob_by_orders(model, X)
    bound = -np.sum(mean_cross_entropies(model, X))
    keys = jax.random.split(jax.random.key(0), 400)
    xs = jnp.broadcast_to(X, (400, LENGTH))
    estimators = (Orders(2), Orders(8), UpperBound(8), UpperBound(64))
    run = jax.jit(lambda xs: [estimator(model, xs, keys).nats for estimator in estimators])
    two, eight, above, closer = (np.mean(nats) for nats in run(xs))
    assert bound < two < eight < exact < closer < above


def covered(estimator, model, truth, repetitions=200):
    """Return in how many repetitions Student's interval of 95 per cent holds the truth."""
    from scipy import special

    keys = jax.random.split(jax.random.key(1), repetitions)
    found = evaluate(estimator, model, jnp.broadcast_to(X, (repetitions, LENGTH)), keys)
    half = special.stdtrit(np.asarray(found.freedom, float), 0.975) * found.standard_error
    return np.mean(np.abs(np.asarray(found.nats) - truth) <= half)


def test_intervals_of_the_bound_cover_its_mean():
    model = wrong_model(Masking(LEVELS), LENGTH)
    truth = -np.sum(mean_cross_entropies(model, X))
    assert 0.9 <= covered(MaskedBound(64), model, truth) <= 0.99


@pytest.mark.parametrize("estimator", [Orders(64), UpperBound(64)])
def test_intervals_of_orders_cover_the_exact_value(estimator):
    model = wrong_model(Masking(LEVELS), LENGTH, gain=0.5)
    assert 0.9 <= covered(estimator, model, log_prob_by_orders(model, X)) <= 0.99


def test_an_odd_number_of_orders_has_no_halves():
    with pytest.raises(ValueError, match="orders"):
        UpperBound(3)


@pytest.mark.parametrize("draws", ["count", "time"])
def test_the_objective_has_the_mean_of_the_bound(draws):
    """With a chain, whose weights depend on the count; above are those of continuous time."""
    process = OnePosition(LEVELS, 5)
    model, count = wrong_model(process, LENGTH), 20_000
    truth = np.sum(np.asarray(process.reach(LENGTH)) * mean_cross_entropies(model, X)) / LENGTH
    keys = jax.random.split(jax.random.key(2), count)
    us = (np.arange(count) + 0.5) / count
    loss = lambda u, key: MaskedCrossEntropy(draws)(model, X, u, key).value  # noqa: E731
    losses = jax.jit(jax.vmap(loss))(us, keys)
    # Strata lower the variance: the sample's own is an upper bound.
    assert abs(np.mean(losses) - truth) < 4 * np.std(losses) / math.sqrt(count)


def test_too_many_positions_are_refused():
    with pytest.raises(ValueError, match="exact"):
        ExactBySubsets().check_shape((15,))
