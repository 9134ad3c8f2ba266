"""Samplers of masked models against a Markov chain with exact conditionals."""

import functools
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import optimized
from tokens import chain, exact_model

from gradlog.models import BoundModel, Tokens
from gradlog.sampling import (
    SAMPLERS_BY_KIND,
    AncestralReplacing,
    AncestralUnmasking,
    ClassifierFree,
    ConfidenceOrder,
    FirstHitting,
    KnownTokens,
    Remasking,
    ReverseChain,
    Unmasking,
    sharpen,
)
from gradlog.sde_lib import MASK_SCHEDULES, LevelMasking, Masking, OnePosition, Uniform

LEVELS, LENGTH, COUNT = 3, 6, 3000
EPSILON = float(jnp.finfo(jnp.float32).eps)


@functools.cache
def draw(sampler, process):
    model = exact_model(process, LENGTH)

    @optimized
    def batch(keys):
        def one(key):
            prior_key, path_key = jax.random.split(key)
            return sampler(model, process.prior_sample(prior_key, (LENGTH,)), path_key)

        return jax.vmap(one)(keys)

    found = batch(jax.random.split(jax.random.key(0), COUNT))
    assert bool(jnp.all(found.ok))
    return np.asarray(found.x), found


def transitions(x):
    """Return the counts of transitions between neighbors."""
    pairs = (x[:, :-1] * LEVELS + x[:, 1:]).ravel()
    return np.bincount(pairs, minlength=LEVELS**2)


def deviations(x):
    """Return how many standard errors the transition counts lie off, by pairs of tokens."""
    law = chain(LENGTH, LEVELS)
    marginal, expected = np.asarray(law.initial, float), np.zeros(LEVELS**2)
    for _ in range(LENGTH - 1):
        expected += len(x) * (marginal[:, None] * np.asarray(law.transition, float)).ravel()
        marginal = marginal @ np.asarray(law.transition, float)
    each = [transitions(part) for part in np.split(x, 100)]  # their spread, as pairs are dependent
    return (transitions(x) - expected) / (np.std(each, axis=0, ddof=1) * np.sqrt(len(each)))


@pytest.mark.parametrize(
    ("sampler", "process"),
    [
        (FirstHitting(), Masking(LEVELS)),
        (AncestralUnmasking(200), Masking(LEVELS)),
        (Remasking(200), Masking(LEVELS)),
        (ConfidenceOrder(LENGTH, confidence_noise=1e6), Masking(LEVELS)),  # the order is random
        (ReverseChain(), OnePosition(LEVELS, 60)),
        (AncestralReplacing(200), Uniform(LEVELS)),
    ],
)
def test_samples_have_the_transitions_of_the_chain(sampler, process):
    x, found = draw(sampler, process)
    assert np.abs(deviations(x)).max() < 3.3  # 3 standard errors for one of nine
    evaluations = {FirstHitting: LENGTH, ConfidenceOrder: LENGTH, ReverseChain: 60}
    assert np.all(np.asarray(found.nfe) == evaluations.get(type(sampler), 200))


@pytest.mark.parametrize(
    ("sampler", "process"),
    [
        (FirstHitting(LENGTH), Masking(LEVELS)),
        (AncestralUnmasking(1), Masking(LEVELS)),
        (AncestralReplacing(1), Uniform(LEVELS)),
    ],
)
def test_one_step_loses_what_neighbors_have_in_common(sampler, process):
    x, found = draw(sampler, process)
    assert np.asarray(found.nfe).max() == 1
    assert np.abs(deviations(x)).max() > 20


def test_confidence_prefers_likely_sequences():
    """Its law is another one, although one mask is filled at a time with exact conditionals."""
    x, _ = draw(ConfidenceOrder(LENGTH, confidence_noise=0.0), Masking(LEVELS))
    log_prob = jax.jit(jax.vmap(chain(LENGTH, LEVELS).log_prob))
    nats, others = map(
        np.asarray, (log_prob(x), log_prob(draw(FirstHitting(), Masking(LEVELS))[0]))
    )
    error = np.hypot(nats.std(), others.std()) / np.sqrt(COUNT)
    assert nats.mean() - others.mean() > 10 * error


@pytest.mark.parametrize("schedule", MASK_SCHEDULES.values())
@pytest.mark.parametrize(("cap", "scale"), [(0.0, 1.0), (0.3, 1.0), (1.0, 0.5), (1.0, 1.0)])
def test_remasking_leaves_the_share_of_masks_of_the_process(schedule, cap, scale):
    process = Masking(LEVELS, schedule())
    times = np.arange(8, -1, -1) / 8
    for t, s in pairwise(times):
        remasked, filled = map(float, Remasking(8, cap, scale).probs(process, t, s))
        masked = 1 - float(process.alpha(t))
        found = masked * (1 - filled) + (1 - masked) * remasked
        assert found == pytest.approx(1 - float(process.alpha(s)), abs=4 * EPSILON)
        assert 0 <= remasked <= cap + EPSILON
        assert 0 <= filled <= 1 + 2 * EPSILON
        if cap == 0:
            assert filled == pytest.approx(float(process.unmasking_prob(t, s)), rel=4 * EPSILON)


def test_a_path_leads_from_masks_to_the_sample_and_has_the_masks_of_the_schedule():
    for sampler in (ConfidenceOrder(4, frames=5), Remasking(4, 0.9, frames=5)):
        _, found = draw(sampler, Masking(LEVELS, MASK_SCHEDULES["cosine"]()))
        counts = np.sum(np.asarray(found.path) == LEVELS, axis=-1)
        expected = LENGTH * np.sin(np.pi / 2 * np.arange(4, -1, -1) / 4)
        if isinstance(sampler, ConfidenceOrder):
            # In each step at least one is filled.
            assert np.all(counts == np.minimum(np.round(expected), LENGTH - np.arange(5)))
        else:  # binomial, by the test of its probabilities
            assert np.all(np.abs(counts.mean(0) - expected) < 4 * np.sqrt(LENGTH / 4 / COUNT))
        np.testing.assert_array_equal(found.path[:, -1], found.x)


@pytest.mark.parametrize("sampler", [FirstHitting(), Remasking(4, 0.5), ConfidenceOrder(4)])
def test_what_is_hidden_has_its_law_given_what_is_known(sampler):
    model, count = exact_model(Masking(LEVELS), 3), 2000
    x0, known = jnp.array([2, 0, 1]), jnp.array([True, False, True])
    fill = KnownTokens(sampler, known, x0)
    keys = jax.random.split(jax.random.key(0), count)
    filled = jax.jit(jax.vmap(lambda key: fill(model, jnp.zeros(3, jnp.int32), key).x))
    x = np.asarray(filled(keys))
    assert np.all(x[:, [0, 2]] == [2, 1])
    law = np.exp(model.logits(jnp.where(known, x0, LEVELS)))[1]
    shares = np.bincount(x[:, 1], minlength=LEVELS) / count
    assert np.all(np.abs(shares - law) < 4 * np.sqrt(law / count))


def test_a_rare_token_has_its_probability_over_a_thousand_steps():
    rare, count, steps = 1e-3, 30_000, 1000
    process = Masking(2)
    logits = jnp.log(jnp.array([rare, 1 - rare]))
    model = BoundModel(process, lambda x, t: jnp.broadcast_to(logits, (count, 2)), Tokens(2))
    sampler = optimized(AncestralUnmasking(steps))
    x = sampler(model, process.prior_sample(jax.random.key(0), (count,)), jax.random.key(1)).x
    expected = count * rare
    assert abs(int(jnp.sum(x == 0)) - expected) < 3 * np.sqrt(expected)


def test_one_draw_among_stay_and_tokens_would_be_too_rare():
    """At one step of 1,000 the token above has 1e-6: its law under float32's Gumbel noise.

    The noise is a function of 23 random bits, so its law is known by enumeration.
    """
    chance = 1e-6
    uniform = (np.arange(2**23, dtype=np.float64) / 2**23).astype(np.float32)
    uniform[0] = np.finfo(np.float32).tiny
    noise = -np.log(-np.log(uniform))
    limit = noise + np.float32(np.log(1 / chance))
    wins = 1 - np.searchsorted(noise, limit, side="right") / len(noise)
    plain = float(np.mean(wins, dtype=np.float64))
    predicted = chance * (y := 2**-23 / chance) / np.expm1(y)
    assert plain == pytest.approx(predicted, rel=1e-3)
    assert plain < 0.95 * chance
    # A mask is filled with 1/n if n steps are left: over a thousand steps 3 % of them are lost.
    y = 2**-23 / 1e-3 * np.arange(1, 1001)
    assert 0.965 < np.mean(y / np.expm1(y)) < 0.975


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind in ("masks", "level_masks")
        for name, member in SAMPLERS_BY_KIND[kind].items()
        if issubclass(member, Unmasking)
    ],
)
def test_every_sampler_draws_from_guided_logits_at_a_temperature(kind, name):
    """Guided they are ``p_c (p_c / p_0)^w``, as scores are; the temperature is theirs."""
    probs = jnp.array([[0.5, 0.3, 0.2], [0.3, 0.3, 0.4]])  # of class 0, and of none

    def logits(x, t, condition=None):
        return jnp.log(probs[1 if condition is None else condition])[None] + 5.0  # up to a constant

    process = OnePosition(LEVELS, 4) if name == "reverse_chain" else Masking(LEVELS)
    if kind == "level_masks":
        process = LevelMasking(LEVELS, jnp.full(LEVELS, 2.0))
    steps = {} if name in ("first_hitting", "reverse_chain") else {"num_steps": 4}
    sampler = SAMPLERS_BY_KIND[kind][name](temperature=2.0, **steps)
    model = ClassifierFree(guidance_weight=2.0)(
        BoundModel(process, logits, Tokens(LEVELS)), None, 0
    )
    keys, masks = jax.random.split(jax.random.key(0), COUNT), jnp.array([LEVELS])
    x = jax.jit(jax.vmap(lambda key: sampler(model, masks, key).x[0]))(keys)
    law = jnp.sqrt(probs[0] * (probs[0] / probs[1]) ** 2)
    law /= law.sum()
    shares = np.bincount(x, minlength=LEVELS) / COUNT
    assert np.all(np.abs(shares - law) < 4 * np.sqrt(law * (1 - law) / COUNT))


@pytest.mark.parametrize(
    ("temperature", "top_p", "expected"),
    [
        (0.5, 1.0, [0.09, 0.25, 0.04]),
        (1.0, 0.6, [0.3, 0.5, 0.0]),
        (1.0, 0.3, [0.0, 0.5, 0.0]),
        (0.5, 0.85, [0.09, 0.25, 0.0]),  # the temperature comes first
    ],
)
def test_temperature_and_the_likeliest_tokens(temperature, top_p, expected):
    found = jnp.exp(sharpen(jnp.log(jnp.array([[0.3, 0.5, 0.2]])), temperature, top_p))[0]
    np.testing.assert_allclose(found, np.array(expected) / sum(expected), rtol=1e-5)
