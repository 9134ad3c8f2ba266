"""Tests that the networks still give the outputs that agreed with the official code."""

import numpy as np
import pytest

from tests.models.pinned import CASES, PATH, output


@pytest.mark.parametrize("name", CASES)
def test_output_equals_the_recorded_one(name):
    with np.load(PATH) as recorded:
        want = recorded[name]
    assert np.abs(output(name) - want).max() < 2e-5 * np.abs(want).max()


def test_every_case_is_recorded():
    with np.load(PATH) as recorded:
        assert set(recorded) == set(CASES)
