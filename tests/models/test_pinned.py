"""The networks still give what they gave when they agreed with the official code."""

import numpy as np
import pytest

from tests.models.pinned import CASES, PATH, output


@pytest.mark.parametrize("name", CASES)
def test_the_output_is_the_recorded_one(name):
    with np.load(PATH) as recorded:
        want = recorded[name]
    assert np.abs(output(name) - want).max() < 2e-5 * np.abs(want).max()


def test_no_case_is_left_unrecorded():
    with np.load(PATH) as recorded:
        assert set(recorded) == set(CASES)
