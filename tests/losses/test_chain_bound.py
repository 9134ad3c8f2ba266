"""Tests of a chain whose drift is learned, against moments of linear chains."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gradlog.distributions import Gaussian
from gradlog.likelihood import ChainLikelihood
from gradlog.losses import ChainBound
from gradlog.models import BoundModel
from gradlog.sampling import ChainReverse
from gradlog.sde_lib import DriftChain, LearnedDrift

PULL, MEAN, STD, GAIN = 0.7, 0.4, 0.6, 0.8
COUNT = 4000


class LinearChain(DriftChain):
    """The drift is ``PULL x`` in place of a network."""

    def _drift(self, x, step):
        return PULL * x


jax.tree_util.register_dataclass(LinearChain, ["params"], ["learned"])


def linear(steps: int) -> LinearChain:
    learned = LearnedDrift((1,), chain_steps=steps, drift_hidden=4)
    return LinearChain(learned.init(jax.random.key(0)), learned)


def coefficients(chain):
    """Return the factor on x and the variance of each step, in float64."""
    b = np.asarray(chain.variances, np.float64)
    return np.sqrt(1 - b) + b * PULL, b


def marginals(chain):
    """Return means and variances of x_1 to x_K for Gaussian data."""
    mean, variance, found = MEAN, STD**2, []
    for factor, b in zip(*coefficients(chain), strict=True):
        mean, variance = factor * mean, factor**2 * variance + b
        found.append((mean, variance))
    return np.array(found).T


def model(chain) -> BoundModel:
    """Return the chain with GAIN times the exact score of its own marginals."""
    means, variances = (jnp.asarray(a, jnp.float32) for a in marginals(chain))

    def score(x, t):
        step = jnp.round(t * len(means)).astype(int) - 1
        return -GAIN * (x - means[step]) / variances[step]

    return BoundModel(chain, score)


def closed_bound(chain) -> float:
    """Return the mean of the bound over the data in nats, by moments of pairs of points."""
    factors, b = coefficients(chain)
    means, variances = marginals(chain)
    before = [(MEAN, STD**2), *zip(means, variances, strict=True)]
    total = 0.0
    for i, (factor, step) in enumerate(zip(factors, b, strict=True)):
        # back = (x' (1 - b GAIN/v - b PULL) + b GAIN m/v) / sqrt(1 - b), x' = factor x + noise
        slope = (1 - step * GAIN / variances[i] - step * PULL) / math.sqrt(1 - step)
        shift = step * GAIN * means[i] / variances[i] / math.sqrt(1 - step)
        mean, variance = before[i]
        off = (1 - slope * factor) * mean - shift
        square = off**2 + (1 - slope * factor) ** 2 * variance + slope**2 * step
        total += 0.5 * (square / step - 1)
    prior = 0.5 * (means[-1] ** 2 + variances[-1]) + 0.5 * math.log(2 * math.pi)
    return total + prior


@functools.cache
def draws(steps: int):
    chain = linear(steps)
    keys = jax.random.split(jax.random.key(1), COUNT)
    xs = MEAN + STD * jax.random.normal(jax.random.key(2), (COUNT, 1))
    bound = model(chain)
    one = lambda x, key: ChainBound()(bound, x, jnp.zeros(()), key).value  # noqa: E731
    return chain, tiny.optimized(jax.vmap(one))(xs, keys)


@pytest.mark.parametrize("steps", [1, 8])
def test_mean_is_that_of_the_moments_and_a_bound_at_every_number_of_steps(steps):
    chain, found = draws(steps)
    error = np.std(found) / math.sqrt(COUNT)
    want = closed_bound(chain)
    assert abs(np.mean(found) - want) < 4 * error
    entropy = 0.5 * math.log(2 * math.pi * math.e * STD**2)
    assert want > entropy  # however coarse


def test_estimator_agrees_with_the_loss_and_covers_its_error():
    chain, losses = draws(8)
    xs = MEAN + STD * jax.random.normal(jax.random.key(2), (256, 1))
    bound = model(chain)
    run = tiny.optimized(lambda xs, keys: ChainLikelihood(32)(bound, xs, keys))
    found, again = (run(xs, jax.random.split(jax.random.key(seed), 256)) for seed in (3, 4))
    spread = math.hypot(np.std(found.nats) / 16, np.std(losses) / math.sqrt(COUNT))
    assert abs(np.mean(found.nats) + np.mean(losses)) < 4 * spread
    z = (found.nats - again.nats) / np.hypot(found.standard_error, again.standard_error)
    assert abs(np.std(z) - 1) < 4 / math.sqrt(2 * 256)


def test_chain_begins_as_the_steps_of_vp():
    """``prod (1 - b)`` is alpha^2 of VP, and x_i has its marginals."""
    learned = LearnedDrift((2,), chain_steps=16, drift_hidden=4)
    chain = learned.initial()
    kept = np.cumprod(1 - np.asarray(chain.variances, np.float64))
    t = np.arange(1, 17) / 16
    np.testing.assert_allclose(kept, np.exp(-t * (0.1 + 0.5 * t * 19.9)), rtol=1e-4)
    np.testing.assert_allclose(chain.sigma(0.5) ** 2, 1 - kept[7], rtol=1e-5)
    x = jnp.array([0.3, -2.0])
    np.testing.assert_allclose(chain.forward_mean(x, jnp.array(3)), np.sqrt(kept[3] / kept[2]) * x)


def test_drift_noise_and_score_have_gradients():
    learned = LearnedDrift((2,), chain_steps=4, drift_hidden=4)
    law = Gaussian(jnp.zeros(2), jnp.ones(2))

    def value(params, gain):
        bound = BoundModel(learned.bind(params), lambda x, t: -gain * x)
        x = law.sample(jax.random.key(1))
        return ChainBound()(bound, x, jnp.zeros(()), jax.random.key(0)).value

    by_process, by_gain = jax.jit(jax.grad(value, (0, 1)))(learned.init(jax.random.key(0)), 0.9)
    last = by_process["drift"]["Dense_2"]["kernel"]  # the others begin at a factor of zero
    assert all(np.abs(leaf).max() > 1e-4 for leaf in (last, by_process["logits"], by_gain))


def test_reverse_of_many_exact_steps_has_the_law_of_the_data():
    chain = linear(64)
    means, variances = marginals(chain)
    factors, b = coefficients(chain)

    def score(x, t):
        """The score whose ``backward_mean`` is the exact posterior's."""
        step = jnp.round(t * 64).astype(int) - 1
        before = jnp.asarray([STD**2, *variances[:-1]])[step]
        before_mean = jnp.asarray([MEAN, *means[:-1]])[step]
        gain = before * jnp.asarray(factors)[step] / jnp.asarray(variances)[step]
        posterior = before_mean + gain * (x - jnp.asarray(means)[step])
        step_b = jnp.asarray(b)[step]
        return (posterior * jnp.sqrt(1 - step_b) - x) / step_b + PULL * x

    z = means[-1] + math.sqrt(variances[-1]) * jax.random.normal(jax.random.key(5), (COUNT, 1))
    sample = lambda z, key: ChainReverse(denoise=False)(BoundModel(chain, score), z, key).x  # noqa: E731
    found = tiny.optimized(jax.vmap(sample))(z, jax.random.split(jax.random.key(6), COUNT))
    assert abs(np.mean(found) - MEAN) < 4 * STD / math.sqrt(COUNT)
    # A step has the variance b, and the posterior's is smaller by a share of b.
    assert abs(np.std(found) / STD - 1) < 0.05
