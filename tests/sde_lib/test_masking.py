"""Processes that mask tokens: their ends, their laws, and their reverse by Bayes' rule."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tokens import chain

from gradlog.sde_lib import MASK_SCHEDULES, Masking, OnePosition
from gradlog.sde_lib.one_position import count_law

LEVELS = 2


@pytest.fixture(params=sorted(MASK_SCHEDULES))
def masking(request):
    make = MASK_SCHEDULES[request.param]
    return Masking(LEVELS, make(2.5) if request.param == "polynomial" else make())


def test_all_is_visible_at_0_and_nothing_at_1_exactly(masking):
    assert float(masking.alpha(0.0)) == 1.0
    assert float(masking.alpha(1.0)) == 0.0
    assert float(masking.unmasking_prob(0.3, 0.0)) == 1.0


def test_the_rate_is_that_of_the_share_of_masks(masking):
    with jax.enable_x64(True):
        for t in (1e-3, 0.4, 0.9):
            slope = jax.grad(masking.alpha)(t)
            rate = masking.weight(t, jnp.asarray(1), 4)
            assert float(rate) == pytest.approx(float(-slope / (1 - masking.alpha(t))), rel=1e-9)
        assert float(masking.weight(0.0, jnp.asarray(0), 4)) == 0.0


def test_positions_are_masked_with_the_share_of_the_schedule(masking):
    x = masking.perturb(jnp.zeros(20_000, jnp.int32), 0.3, jax.random.key(0))
    share = 1 - float(masking.alpha(0.3))
    assert abs(float(jnp.mean(x == masking.mask)) - share) < 4 * np.sqrt(share / 20_000)


def test_numbers_of_masks_are_those_of_the_coupon_collector():
    # P(M_t = m) = C(L, m) m! S(t, m) / L^t, with Stirling numbers of the second kind.
    law = count_law(4, 5)
    stirling = [0, 1, 15, 25, 10]  # S(5, m)
    falling = [1, 4, 12, 24, 24]  # C(4, m) m!
    np.testing.assert_allclose(law[5], np.multiply(stirling, falling) / 4**5, rtol=1e-14)


def test_many_steps_of_one_position_mask_independently():
    # With Poisson(L u) picks each position is masked with 1 - e^-u by itself.
    length, u, steps = 6, 0.8, 40
    picks = np.exp(-length * u + np.cumsum([0, *np.log(length * u / np.arange(1, steps + 1))]))
    counts = picks @ count_law(length, steps)
    share = 1 - np.exp(-u)
    m = np.arange(length + 1)
    binomial = [1, 6, 15, 20, 15, 6, 1] * share**m * (1 - share) ** (length - m)
    np.testing.assert_allclose(counts, binomial, rtol=1e-12)


def test_a_draw_of_the_chain_has_the_law_of_its_step():
    process, draws = OnePosition(LEVELS, num_steps=5), 4000
    x0 = jnp.zeros(4, jnp.int32)
    x = jax.vmap(lambda key: process.perturb(x0, 0.5, key))(  # after step 3
        jax.random.split(jax.random.key(0), draws)
    )
    masked = np.asarray(x == process.mask)
    found = np.bincount(masked.sum(axis=1), minlength=5) / draws
    expected = count_law(4, 5)[3]
    assert np.all(np.abs(found - expected) <= 4 * np.sqrt(expected / draws))
    assert np.ptp(masked.mean(axis=0)) < 0.06  # every position alike


def test_the_reverse_is_bayes_rule_on_all_paths_of_the_chain():
    """Six positions: the law of (x_t, x_{t+1}) by enumeration, and the rule that samplers use."""
    length, steps = 6, 4
    process = OnePosition(LEVELS, num_steps=steps)
    with jax.enable_x64(True):
        law = chain(length, LEVELS)
        xs = list(itertools.product(range(LEVELS), repeat=length))
        probs = np.exp(jax.jit(jax.vmap(law.log_prob))(jnp.asarray(xs)))
        states = dict(zip(xs, probs.tolist(), strict=True))  # state -> probability
        logits = jax.jit(law.logits)
        conditionals = functools.cache(lambda y: np.exp(logits(jnp.asarray(y))))
        filling_prob = functools.cache(
            lambda step, masks: float(process.filling_prob(step, masks, length))
        )
        worst = 0.0
        for step in range(1, steps + 1):
            joint = {}
            for x, prob in states.items():
                for place in range(length):
                    y = (*x[:place], LEVELS, *x[place + 1 :])
                    joint[y, x] = joint.get((y, x), 0.0) + prob / length
            states = {}
            for (y, _), prob in joint.items():
                states[y] = states.get(y, 0.0) + prob
            shown = {y for y, _ in sorted(joint)[:: max(1, len(joint) // 300)]}
            for y, x in joint:
                if y not in shown:
                    continue
                masks = sum(token == LEVELS for token in y)
                fill = filling_prob(step, masks)
                if x == y:
                    rule = 1 - fill
                else:
                    (place,) = (i for i in range(length) if x[i] != y[i])
                    rule = fill / masks * conditionals(y)[place, x[place]]
                worst = max(worst, abs(rule - joint[y, x] / states[y]))
    assert worst < 1e-12
