"""The clock in TensorBoard's files."""

from types import SimpleNamespace
from unittest import mock

import pytest

from gradlog.report.event_files import seconds_altogether, seconds_per_step, times_of
from gradlog.storage.tracking import Tracked
from gradlog.storage.tracking.tensorboard import TensorBoard


@pytest.fixture
def file(tmp_path):
    """Of points at the steps 10, 20 and 30, one second a step but for a pause."""
    clock = iter([0.0, 100.0, 100.0, 110.0, 110.0, 170.0, 170.0])
    with mock.patch(
        "gradlog.storage.tracking.tensorboard.time", SimpleNamespace(time=clock.__next__)
    ):
        board = TensorBoard(Tracked(tmp_path, 0))
        for step in (10, 20, 30):
            board.write(step, {"loss": 1.0, "grad_norm": 2.0})
        board.close()
    [path] = tmp_path.rglob("events.*")
    return path


def test_points_are_read_with_their_times(file):
    assert times_of(file) == [(10, 100), (10, 100), (20, 110), (20, 110), (30, 170), (30, 170)]


def test_a_file_that_was_cut_off_has_the_points_before(file):
    file.write_bytes(file.read_bytes()[:-5])
    assert times_of(file)[-1] == (30, 170)
    assert len(times_of(file)) == 5


def test_a_step_takes_the_median_and_all_the_sum_of_the_sessions():
    sessions = [[(10, 0.0), (20, 10.0), (30, 20.0), (40, 90.0)], [(50, 1000.0), (60, 1011.0)]]
    assert seconds_per_step(sessions) == pytest.approx(1.05)
    assert seconds_altogether(sessions) == 101.0
    assert seconds_per_step([[(10, 0.0)]]) is None
    assert seconds_altogether([]) is None
