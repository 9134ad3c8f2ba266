import json

import pytest

from storage import MetricsLog, read_metrics


def _log(directory, start, steps, scale=1.0):
    log = MetricsLog(directory, start)
    for step in steps:
        log.write(step, {"loss": scale * step})
    log.close()


def _steps(directory):
    return [record["step"] for record in read_metrics(directory / "metrics.jsonl")]


def test_records_come_back_in_order(tmp_path):
    _log(tmp_path, 0, [10, 20, 30])
    records = read_metrics(tmp_path / "metrics.jsonl")
    assert records == [{"step": step, "loss": float(step)} for step in (10, 20, 30)]


def test_no_file_is_no_records(tmp_path):
    assert read_metrics(tmp_path / "metrics.jsonl") == []


def test_what_was_logged_after_the_checkpoint_is_dropped_when_training_goes_on(tmp_path):
    _log(tmp_path, 0, [10, 20, 30])
    _log(tmp_path, 20, [30, 40], scale=2.0)
    records = read_metrics(tmp_path / "metrics.jsonl")
    assert _steps(tmp_path) == [10, 20, 30, 40]
    assert [record["loss"] for record in records] == [10.0, 20.0, 60.0, 80.0]


def test_starting_again_from_the_beginning_drops_everything(tmp_path):
    _log(tmp_path, 0, [10, 20])
    _log(tmp_path, 0, [10])
    assert _steps(tmp_path) == [10]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_last_line_cut_short_is_left_out_and_written_over(tmp_path, cut):
    _log(tmp_path, 0, [10, 20])
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text()[: -cut - 1])
    assert _steps(tmp_path) == [10]
    _log(tmp_path, 10, [20, 30])
    assert _steps(tmp_path) == [10, 20, 30]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_record_is_on_disk_as_soon_as_it_is_written(tmp_path):
    log = MetricsLog(tmp_path, 0)
    log.write(1, {"loss": 0.5})
    assert _steps(tmp_path) == [1]
    log.close()


def test_a_metric_that_is_not_finite_is_null(tmp_path):
    log = MetricsLog(tmp_path, 0)
    log.write(1, {"loss": float("nan"), "grad_norm": 2.0})
    log.close()
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"step": 1, "loss": None, "grad_norm": 2.0}]


def test_tensorboard_gets_the_same_metrics(tmp_path):
    _log(tmp_path, 0, [10, 20])
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert events.read_bytes().count(b"loss") == 2
