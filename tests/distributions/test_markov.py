"""The Markov chain's law and its conditionals under any mask, against enumeration."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tokens import chain

LEVELS, LENGTH = 3, 4


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def sequences():
    return jnp.asarray(list(itertools.product(range(LEVELS), repeat=LENGTH)))


def test_probabilities_of_all_sequences_add_up_to_one():
    law = chain(LENGTH, LEVELS)
    total = np.sum(np.exp(jax.jit(jax.vmap(law.log_prob))(sequences())))
    assert float(total) == pytest.approx(1, abs=1e-14)


def test_conditionals_are_those_of_enumeration_under_every_mask():
    law, all_x = chain(LENGTH, LEVELS), sequences()
    joint = np.exp(jax.jit(jax.vmap(law.log_prob))(all_x))
    states = np.array(list(itertools.product(range(LEVELS + 1), repeat=LENGTH)))
    found = np.exp(jax.jit(jax.vmap(law.logits))(jnp.asarray(states)))
    for state, probs in zip(states, found, strict=True):
        agree = np.all((state == LEVELS) | (np.asarray(all_x) == state), axis=1)
        for position in np.flatnonzero(state == LEVELS):
            given = np.bincount(all_x[agree, position], joint[agree], LEVELS)
            np.testing.assert_allclose(probs[position], given / given.sum(), rtol=1e-12)


def test_samples_have_the_law():
    law, count = chain(LENGTH, LEVELS), 4000
    x = np.asarray(jax.jit(jax.vmap(law.sample))(jax.random.split(jax.random.key(0), count)))
    index = x @ LEVELS ** np.arange(LENGTH)[::-1]
    expected = count * np.exp(jax.jit(jax.vmap(law.log_prob))(sequences()))
    found = np.bincount(index, minlength=LEVELS**LENGTH)
    chi_square = np.sum((found - expected) ** 2 / expected)
    freedom = LEVELS**LENGTH - 1
    assert abs(chi_square - freedom) < 4 * np.sqrt(2 * freedom)
