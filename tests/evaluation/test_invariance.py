"""A number depends on its example alone: not on batches, their size, or the devices."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import thirteen
from thirteen import COUNT, SOURCE, STREAM, evaluate, sample

from gradlog.evaluation.devices import keys_by_index, padded_batches
from gradlog.evaluation.likelihood import LikelihoodEvaluator
from gradlog.likelihood import LogProb, OneDraw
from gradlog.likelihood.parts import PRIOR

# Programs of other batch sizes round otherwise; at a tolerance of 1e-6 a step may then differ.
BITS = {"rtol": 0, "atol": 1e-4}


def test_numbers_do_not_depend_on_the_batch_size():
    """In batches of four, the last with three idle rows."""
    whole, got = evaluate(), evaluate(4)
    assert np.all(got.good)
    assert got.account.bits_per_dim.shape == (COUNT,)
    np.testing.assert_allclose(got.account.bits_per_dim, whole.account.bits_per_dim, **BITS)
    # Of two probes: a difference, that loses a digit.
    np.testing.assert_allclose(got.standard_error, whole.standard_error, rtol=1e-2, atol=1e-3)


def test_the_first_five_have_the_same_numbers_alone():
    whole, got = evaluate(), evaluate(COUNT, count=5)
    np.testing.assert_allclose(got.account.bits_per_dim, whole.account.bits_per_dim[:5], **BITS)


def log_prob(xs, total):
    """Return what an estimator with one part and no random draws returns."""
    ones = jax.numpy.ones(len(total), int)
    errors = {"probes": 0 * total}
    return LogProb({PRIOR: total}, errors, np.nan * total, xs, ones, 0 * ones, ones == 1)


def test_examples_have_keys_of_their_own():
    """All examples alike: what differs is the dequantization and the probe."""
    keys = jax.random.key_data(keys_by_index(STREAM, np.arange(COUNT)))
    assert len(np.unique(keys, axis=0)) == COUNT
    np.testing.assert_array_equal(keys[3], jax.random.key_data(jax.random.fold_in(STREAM, 3)))


def test_every_example_is_read_once_and_in_order():
    """An estimator that returns its input: the account lists the data themselves."""

    def identity(model, xs, keys):
        return log_prob(xs, xs.sum(axis=(1, 2, 3)))

    seen = []
    evaluator = LikelihoodEvaluator(OneDraw(identity), thirteen.DEQUANTIZED, 4)
    got = evaluator(thirteen.params(), SOURCE, STREAM, seen.append)
    levels = (got.account.terms["prior"] + 4) * 17 / 2  # sum over the four pixels of k + u
    assert np.all((levels - SOURCE.sum(axis=(1, 2, 3)) > 0) & (levels - SOURCE.sum((1, 2, 3)) < 4))
    assert seen == [4, 8, 12, 13]
    np.testing.assert_allclose(got.account.terms["units"], -4 * np.log(17 / 2), rtol=1e-6)


@pytest.mark.parametrize("count", [1, 5, 13, 16])
@pytest.mark.parametrize("batch_size", [1, 4, 13, 64])
def test_padded_batches_hold_every_index_once_and_have_one_size(count, batch_size):
    batches = list(padded_batches(count, batch_size))
    used = np.concatenate([indices[:used] for indices, used in batches])
    np.testing.assert_array_equal(used, np.arange(count))
    assert len({len(indices) for indices, _ in batches}) == 1
    assert all(indices.max() < count for indices, _ in batches)
    assert len(batches[0][0]) % jax.local_device_count() == 0


def test_examples_whose_solver_gives_up_are_flagged():
    got = evaluate(max_steps=3)
    assert not np.any(got.good)
    assert np.all(evaluate().good)


def test_results_that_are_not_finite_are_flagged():
    def broken(model, xs, keys):
        total = xs.sum(axis=(1, 2, 3)) * np.where(np.arange(len(xs)) == 2, np.nan, 1)
        return log_prob(xs, total)

    evaluator = LikelihoodEvaluator(OneDraw(broken), thirteen.DEQUANTIZED, COUNT)
    good = evaluator(thirteen.params(), SOURCE, STREAM).good
    np.testing.assert_array_equal(np.flatnonzero(~good), [2])


@pytest.mark.parametrize(("batch_size", "count"), [(4, 13), (4, 6), (13, 20)])
def test_samples_depend_on_their_index_alone(batch_size, count):
    whole, got = sample(), sample(batch_size, count)
    assert got.x.shape == (count, *thirteen.SHAPE)
    assert np.all(got.ok)
    np.testing.assert_array_equal(got.nfe, 20)
    shared = min(count, COUNT)
    assert_same_samples(got.x[:shared], whole.x[:shared])
    assert len(np.unique(got.x.reshape(count, -1), axis=0)) == count


def assert_same_samples(got, want):
    """To rounding, relative to the size of the samples."""
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * np.std(want))


def test_eight_devices_give_the_numbers_of_one(tmp_path):
    root = Path(__file__).parents[2]
    environment = os.environ | {
        "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=8",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(root),
    }
    command = [sys.executable, thirteen.__file__, str(tmp_path / "eight.npz")]
    subprocess.run(command, check=True, env=environment, timeout=300)
    with np.load(tmp_path / "eight.npz") as eight:
        assert eight["devices"] == 8
        one = evaluate()
        np.testing.assert_allclose(eight["bits_per_dim"], one.account.bits_per_dim, **BITS)
        assert_same_samples(eight["samples"], sample().x)
