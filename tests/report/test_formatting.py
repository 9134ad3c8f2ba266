"""Tests of how numbers are written in a report."""

import pytest

from gradlog.report.formatting import NOTHING, format_seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1e-4, "0 s"),
        (59.9, "59.9 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3661, "1 h 1 min"),
        (None, NOTHING),
        (float("nan"), NOTHING),
    ],
)
def test_durations_have_two_units_at_most(seconds, text):
    assert format_seconds(seconds) == text
