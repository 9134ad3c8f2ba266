"""Masks with a rate for each level: the cost, the gradient by the rates, the bound, the sampler."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import optimized

from gradlog.likelihood import LevelBound
from gradlog.losses import LevelMaskedBound, cross_entropy, masked_cost
from gradlog.models import BoundModel, Tokens
from gradlog.sampling import LevelUnmasking
from gradlog.sde_lib import LearnedMasking, LevelMasking, Masking

LEVELS = 3
PROBS = jnp.array([0.2, 0.5, 0.3])
EXPONENTS = jnp.array([0.8, 2.0, 3.0])
EXACT = lambda x, t: jnp.broadcast_to(jnp.log(PROBS), (*x.shape, LEVELS))  # noqa: E731


def table(x, t):
    """Return wrong logits that depend on the other tokens and on the time."""
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(LEVELS + 1, LEVELS)), jnp.float32)
    return weights[x[::-1]] * (1 + t)


def quadrature(integrand, nodes=60):
    """Return the integral over t in (0, 1), with nodes that are denser near 0."""
    u, weights = np.polynomial.legendre.leggauss(nodes)
    s = 0.5 * (1 + u)
    values = jax.vmap(integrand)(jnp.asarray(s**4, jnp.float32))
    return jnp.sum(values * jnp.asarray(0.5 * weights * 4 * s**3, jnp.float32))


def enumerated(model, x0):
    """Return the bound of a datum of two positions: a sum over masks, an integral over time."""

    def at(t):
        total = 0.0
        for hidden in ([0, 0], [0, 1], [1, 0], [1, 1]):
            x_t = jnp.where(jnp.array(hidden, bool), model.process.mask, x0)
            total += jnp.exp(model.process.log_prob(x_t, x0, t)) * masked_cost(model, x0, x_t, t)
        return total

    return quadrature(at)


def test_with_one_rate_it_is_masking_at_every_draw():
    masking, one = Masking(LEVELS), LevelMasking(LEVELS, jnp.ones(LEVELS))
    x0, x_t, t = jnp.array([2, 1]), jnp.array([3, 1]), jnp.asarray(0.3)
    expected = masking.weight(t, 1, 2) * cross_entropy(BoundModel(masking, table), x0, x_t)
    known = BoundModel(one, lambda x, t: table(x, 1.0))  # masking evaluates the network at t = 1
    assert float(masked_cost(known, x0, x_t, t)) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("token", range(LEVELS))
def test_with_the_exact_law_the_bound_is_the_probability_whatever_the_rates(token):
    """One position: ``p(v | masked at t)`` is ``p_v t^w_v``, up to a factor."""
    model, x0 = BoundModel(LevelMasking(LEVELS, EXPONENTS), EXACT), jnp.array([token])
    masked = jnp.array([LEVELS])

    def at(t):
        return t ** EXPONENTS[token] * masked_cost(model, x0, masked, t)

    truth = -jnp.log(PROBS[token])
    assert float(quadrature(at)) == pytest.approx(float(truth), abs=1e-4)
    keys = jax.random.split(jax.random.key(0), 1)
    found = LevelBound(samples=4096)(model, x0[None], keys)
    assert abs(found.nats[0] + truth) < 4 * found.standard_error[0] < 0.3


def test_the_gradient_by_the_rates_has_the_law_of_the_masks():
    """The mean over draws is the derivative of the enumerated bound, and the value is the bound."""
    process, x0, count = LearnedMasking(LEVELS), jnp.array([2, 0]), 60_000
    params = {"log_exponents": jnp.array([0.3, -0.2, 0.1])}

    def bound(params):
        return enumerated(BoundModel(process.bind(params), table), x0) / x0.size

    def draw(params, key):
        u_key, key = jax.random.split(key)
        model = BoundModel(process.bind(params), table, Tokens(LEVELS))
        return LevelMaskedBound()(model, x0, jax.random.uniform(u_key), key).value

    value, slope = jax.jit(jax.value_and_grad(bound))(params)
    draws = optimized(jax.vmap(jax.value_and_grad(draw), (None, 0)))
    values, slopes = draws(params, jax.random.split(jax.random.key(0), count))
    pairs = (values[:, None], value), (slopes["log_exponents"], slope["log_exponents"])
    for found, expected in pairs:
        error = np.std(found, axis=0) / np.sqrt(count)
        assert np.all(np.abs(found.mean(axis=0) - expected) < 4 * error)
    # It is far from zero: without the law of the masks it would be another one.
    assert np.max(np.abs(slope["log_exponents"])) > 20 * np.max(error)


def test_a_common_factor_of_the_rates_is_another_clock():
    x0 = jnp.array([2, 0])
    fixed = lambda x, t: table(x, 0.5)  # noqa: E731

    @jax.jit
    def bound(scale):
        return enumerated(BoundModel(LevelMasking(LEVELS, scale * EXPONENTS), fixed), x0)

    bounds = [float(bound(scale)) for scale in (1.0, 1.7)]
    assert bounds[0] == pytest.approx(bounds[1], rel=1e-4)
    logs = {"log_exponents": jnp.array([1.0, 2.0, 6.0])}
    w = LearnedMasking(LEVELS, 2.0).bind(logs).exponents
    np.testing.assert_allclose(w, 2 * np.exp([0.0, 1.0, 5.0]), rtol=1e-5)


def test_samples_have_the_law_behind_the_masks_in_any_number_of_steps():
    model, count = BoundModel(LevelMasking(LEVELS, EXPONENTS), EXACT, Tokens(LEVELS)), 20_000
    for steps in (1, 5):
        sampler = LevelUnmasking(steps)
        found = jax.jit(lambda key, sampler=sampler: sampler(model, jnp.full(count, LEVELS), key))(
            jax.random.key(0)
        )
        assert bool(found.ok)
        shares = np.bincount(found.x, minlength=LEVELS) / count
        assert np.all(np.abs(shares - PROBS) < 4 * np.sqrt(PROBS * (1 - PROBS) / count))


def test_the_masks_have_their_probabilities_and_their_law():
    process, count = LevelMasking(LEVELS, EXPONENTS), 20_000
    x0, t = jnp.repeat(jnp.arange(LEVELS), count), 0.4
    x_t = process.perturb(x0, t, jax.random.key(0))
    shares = np.mean(np.reshape(x_t == LEVELS, (LEVELS, count)), axis=1)
    law = 0.4 ** np.asarray(EXPONENTS)
    assert np.all(np.abs(shares - law) < 4 * np.sqrt(law * (1 - law) / count))
    two = process.log_prob(jnp.array([LEVELS, 1]), jnp.array([0, 1]), t)
    assert float(two) == pytest.approx(np.log(law[0] * (1 - law[1])), rel=1e-5)


def test_an_exponent_of_finite_variance_is_needed():
    with pytest.raises(ValueError, match="exponent"):
        LearnedMasking(LEVELS, 1.0)
