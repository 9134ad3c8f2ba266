"""Tests that the keys of an example all differ, and that their derivations never change."""

import jax
import numpy as np

from gradlog.losses import example_keys


def bits(keys):
    return np.stack([jax.random.key_data(key) for key in keys])


def test_keys_are_all_different():
    keys = example_keys(jax.random.key(3))
    assert len(np.unique(bits([*keys, jax.random.key(3)]), axis=0)) == len(keys) + 1


def test_keys_are_those_that_runs_were_trained_with():
    """The first six are those of version 0.1."""
    key = jax.random.key(3)
    data, time, loss = jax.random.split(key, 3)
    integrand, dropout = jax.random.split(loss)
    flip, class_dropout = jax.random.fold_in(key, 3), jax.random.fold_in(loss, 0xC1A55)
    added = [jax.random.fold_in(loss, number) for number in (0x5EC0, 0x1A7E)]
    wanted = bits([data, time, integrand, dropout, flip, class_dropout, *added])
    np.testing.assert_array_equal(bits(example_keys(key)), wanted)
