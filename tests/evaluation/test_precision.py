"""Evaluations multiply matrices in full float32, whatever the device's default."""

import re

import jax
import jax.numpy as jnp

from gradlog.evaluation.devices import map_batch, run_on_host


def product(matrix, rows):
    return rows @ matrix


def test_a_mapped_batch_asks_for_the_highest_precision():
    count = jax.local_device_count()
    lowered = map_batch(product).lower(jnp.ones((3, 3)), jnp.ones((count, 3)))
    asked = re.findall(r"precision = \[(\w+), (\w+)\]", lowered.as_text())
    assert asked == [("HIGHEST", "HIGHEST")]


def test_so_does_what_runs_on_the_host():
    def asked(matrix, rows):
        lowered = jax.jit(product).lower(matrix, rows)
        return re.findall(r"precision = \[(\w+), (\w+)\]", lowered.as_text())

    assert run_on_host(asked)(jnp.ones((3, 3)), jnp.ones((2, 3))) == [("HIGHEST", "HIGHEST")]
    assert asked(jnp.ones((3, 3)), jnp.ones((2, 3))) != [("HIGHEST", "HIGHEST")]
