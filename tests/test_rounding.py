"""Tests of the tests' own tools: tolerances from counts of roundings, and flags of XLA."""

import numpy as np
import pytest
from xla_flags import FAST, add_fast_flags, unknown_flags

from tests.rounding import chain, sums


@pytest.mark.parametrize("terms", [30, 1000, 10_000])
def test_errors_of_sums_are_within_the_tolerance_and_not_far_below(terms):
    x = np.random.default_rng(terms).normal(size=(400, terms))
    x = np.float32(x)
    forward = np.cumsum(x, axis=1, dtype=np.float32)[:, -1]
    backward = np.cumsum(x[:, ::-1], axis=1, dtype=np.float32)[:, -1]
    error = (forward - backward) / np.sqrt(terms)  # relative to the size of such a sum
    assert np.abs(error).max() < sums(terms)
    # The derivation says 1/5. A rounding is uniform within less than one UNIT for most numbers.
    assert 1 / 12 < error.std() / sums(terms) < 1 / 5


def test_errors_of_chains_are_within_the_tolerance():
    x = np.random.default_rng(0).uniform(1, 2, size=(10_000, 8)).astype(np.float32)
    product = np.cumprod(x, axis=1, dtype=np.float32)[:, -1]
    error = np.abs(product / np.prod(x.astype(np.float64), axis=1) - 1)
    assert chain(7) / 4 < error.max() < chain(7)


def test_flags_that_are_set_keep_their_values():
    known = [flag for flag in FAST if flag not in unknown_flags()]
    assert add_fast_flags(None).split() == known
    assert add_fast_flags("--xla_cpu_max_isa=AVX2").split() == ["--xla_cpu_max_isa=AVX2", *known]
    own = "--xla_backend_optimization_level=3"
    assert add_fast_flags(own).split() == [own, *known[1:]]
    assert add_fast_flags("") == ""
