"""The bound of uniform noise against sums over all sequences: two positions, three levels."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special
from tokens import chain, exact_model, wrong_model

from gradlog.likelihood import JumpBound
from gradlog.losses import ScoreEntropy, score_entropy
from gradlog.sde_lib import Uniform

LEVELS, LENGTH = 3, 2
PROCESS, X = Uniform(LEVELS), jnp.array([2, 0])
STATES = jnp.array(list(itertools.product(range(LEVELS), repeat=LENGTH)))


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def prob_of_states(x0, t):
    """``q(x_t | x0)`` for all sequences x_t."""
    return jnp.prod((1 - t) * (x0 == STATES) + t / LEVELS, axis=1)


def bounds_by_quadrature(model, data):
    """The integral over time of the mean over all sequences, by Gauss's rule in t^(1/8)."""
    nodes, weights = np.polynomial.legendre.leggauss(80)
    roots = jnp.asarray((nodes + 1) / 2)

    def mean(x0, t):
        costs = jax.vmap(lambda x_t: score_entropy(model, x0, x_t, t))(STATES)
        return jnp.sum(prob_of_states(x0, t) * costs)

    over_times = jax.vmap(mean, (None, 0))
    means = jax.jit(jax.vmap(lambda x0: over_times(x0, roots**8)))(data)
    return np.asarray(means) @ (weights / 2 * 8 * roots**7)


@functools.cache
def bounds_of_the_wrong_model(gain=1.0):
    """Return the bounds of all sequences, and that of X."""
    bounds = bounds_by_quadrature(wrong_model(PROCESS, LENGTH, gain), STATES)
    return bounds, bounds[int(np.flatnonzero((STATES == X).all(axis=1))[0])]


def bound_of_a_chain(model, x0, steps):
    """The bound of a chain with so many steps, by the laws of its steps (Austin et al. 2021)."""

    def kernel(share):
        return (1 - share) * jnp.eye(LEVELS) + share / LEVELS

    def cost(t, t_next):
        moves = kernel((t - t_next) / (1 - t_next))

        def divergence(x_t):
            clean = jax.nn.one_hot(x0, LEVELS), jnp.exp(model.logits(x_t, t))
            q, p = (law @ kernel(t_next) * moves[:, x_t].T for law in clean)
            q, p = (law / jnp.sum(law, axis=1, keepdims=True) for law in (q, p))
            return jnp.sum(jax.scipy.special.rel_entr(q, p))

        return jnp.sum(prob_of_states(x0, t) * jax.vmap(divergence)(STATES))

    times = jnp.linspace(1, 0, steps + 1)
    return float(jnp.sum(jax.jit(jax.vmap(cost))(times[:-1], times[1:])))


def log_probs_of_the_model(model):
    """``log p`` of all sequences: the forward equation of the reverse jumps, from t = 1."""
    sequences = list(enumerate(np.asarray(STATES)))
    moves = [  # (from, to, position, token): a jump changes one position
        (i, j, int(np.flatnonzero(a != b)[0]), int(b[a != b][0]))
        for (i, a), (j, b) in itertools.permutations(sequences, 2)
        if np.sum(a != b) == 1
    ]
    start, end, place, token = map(np.array, zip(*moves, strict=True))

    @jax.jit
    def rates(t):
        def of_state(x):
            ratios = PROCESS.log_ratios(model.logits(x, t), x, t)
            return PROCESS.jump_rates(x, t) * jnp.exp(ratios)

        return jax.vmap(of_state)(STATES)[start, place, token]

    def slope(root, probs):  # by the fourth root of t, which decreases
        flow = np.asarray(rates(root**4)) * probs[start] * 4 * root**3
        return np.bincount(start, flow, len(probs)) - np.bincount(end, flow, len(probs))

    uniform = np.full(len(STATES), 1 / len(STATES))
    found = integrate.solve_ivp(slope, (1 - 1e-9, 1e-3), uniform, "LSODA", rtol=1e-8, atol=1e-12)
    assert found.success
    assert found.y[:, -1].sum() == pytest.approx(1)
    return np.log(found.y[:, -1])


def test_with_exact_ratios_the_bound_is_the_truth():
    law = chain(LENGTH, LEVELS)
    truth = jax.vmap(law.log_prob)(STATES)
    bounds = bounds_by_quadrature(exact_model(PROCESS, LENGTH), STATES)
    np.testing.assert_allclose(bounds, -truth, rtol=1e-8)


def test_the_bound_of_a_chain_with_many_steps_converges_to_it():
    model = wrong_model(PROCESS, LENGTH)
    _, truth = bounds_of_the_wrong_model()
    coarse, fine = (bound_of_a_chain(model, X, steps) - truth for steps in (400, 1600))
    assert abs(fine) < 1e-3 * truth
    assert 0.2 < fine / coarse < 0.35  # of first order, up to a logarithm at t = 0


def test_it_lies_above_the_bits_of_the_law_that_the_jumps_make():
    model = wrong_model(PROCESS, LENGTH, gain=0.5)
    bounds, _ = bounds_of_the_wrong_model(0.5)
    gaps = bounds + log_probs_of_the_model(model)
    assert 1e-3 < gaps.min() < gaps.max() < 1


def test_intervals_cover_the_bound():
    model, repetitions = wrong_model(PROCESS, LENGTH), 200
    truth = -bounds_of_the_wrong_model()[1]
    keys = jax.random.split(jax.random.key(1), repetitions)
    estimate = jax.jit(lambda xs, keys: JumpBound(64)(model, xs, keys))
    found = estimate(jnp.broadcast_to(X, (repetitions, LENGTH)), keys)
    half = special.stdtrit(np.asarray(found.freedom), 0.975) * found.standard_error
    assert 0.9 <= np.mean(np.abs(np.asarray(found.nats) - truth) <= half) <= 0.99


@pytest.mark.parametrize("draws", ["count", "time"])
def test_the_objective_has_the_mean_of_the_bound(draws):
    model, count = wrong_model(PROCESS, LENGTH), 20_000
    truth = bounds_of_the_wrong_model()[1] / LENGTH
    keys = jax.random.split(jax.random.key(2), count)
    us = (np.arange(count) + 0.5) / count
    loss = lambda u, key: ScoreEntropy(draws)(model, X, u, key).value  # noqa: E731
    losses = jax.jit(jax.vmap(loss))(us, keys)
    # Strata lower the variance: the sample's own is an upper bound.
    assert abs(np.mean(losses) - truth) < 4 * np.std(losses) / math.sqrt(count)
