"""Samplers of masked models against a Markov chain with exact conditionals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import optimized
from tokens import chain, exact_model

from gradlog.models import BoundModel, Tokens
from gradlog.sampling import (
    AncestralReplacing,
    AncestralUnmasking,
    ClassifierFree,
    FirstHitting,
    KnownTokens,
    ReverseChain,
)
from gradlog.sde_lib import Masking, OnePosition, Uniform

LEVELS, LENGTH, COUNT = 3, 8, 4000


def draw(sampler, process, count=COUNT, length=LENGTH):
    model = exact_model(process, length)

    @optimized
    def batch(keys):
        def one(key):
            prior_key, path_key = jax.random.split(key)
            return sampler(model, process.prior_sample(prior_key, (length,)), path_key)

        return jax.vmap(one)(keys)

    found = batch(jax.random.split(jax.random.key(0), count))
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
        (ReverseChain(), OnePosition(LEVELS, 60)),
        (AncestralReplacing(200), Uniform(LEVELS)),
    ],
)
def test_samples_have_the_transitions_of_the_chain(sampler, process):
    x, found = draw(sampler, process)
    assert np.abs(deviations(x)).max() < 3.3  # 3 standard errors for one of nine
    evaluations = {FirstHitting: LENGTH, ReverseChain: 60}
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


@pytest.mark.parametrize("sampler", [FirstHitting(), AncestralUnmasking(4)])
def test_what_is_hidden_has_its_law_given_what_is_known(sampler):
    model, count = exact_model(Masking(LEVELS), 3), 2000
    x0, known = jnp.array([2, 0, 1]), jnp.array([True, False, True])
    fill = KnownTokens(sampler, known, x0)
    keys = jax.random.split(jax.random.key(0), count)
    x = np.asarray(jax.vmap(lambda key: fill(model, jnp.zeros(3, jnp.int32), key).x)(keys))
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


def test_guidance_by_classes_is_of_the_logits():
    """``p_c (p_c / p_0)^w``, normalized: that of scores, in place of which the logits stand."""
    probs = jnp.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])  # of class 0, and of none

    def logits(x, t, condition=None):
        return jnp.log(probs[1 if condition is None else condition])[None] + 5.0  # up to a constant

    model = BoundModel(Masking(LEVELS), logits, Tokens(LEVELS))
    guided = ClassifierFree(guidance_weight=2.0)(model, None, 0)
    expected = probs[0] * (probs[0] / probs[1]) ** 2
    found = jnp.exp(guided.logits(jnp.array([LEVELS])))[0]
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-5)
