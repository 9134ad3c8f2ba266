"""Tests that the networks still give the outputs that agreed with the official code."""

import numpy as np
import pytest

from tests.models.pinned import CASES, PATH, SHAPE, output
from tests.models.small import abstract_init
from tests.rounding import sums, terms_of


@pytest.mark.parametrize("name", CASES)
def test_output_equals_the_recorded_one(name):
    with np.load(PATH) as recorded:
        want = recorded[name]
    # The same program on another processor: sums of as many terms in another order.
    tolerance = sums(terms_of(abstract_init(CASES[name], SHAPE)[1]))
    assert np.abs(output(name) - want).max() < tolerance * np.abs(want).max()


def test_every_case_is_recorded():
    with np.load(PATH) as recorded:
        assert set(recorded) == set(CASES)
