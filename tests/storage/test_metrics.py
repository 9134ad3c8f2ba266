"""Metrics: each step once, damage found, times outside of every comparison."""

import hashlib
import json
import os

import pytest

from gradlog.storage import (
    MetricsLog,
    WorkdirError,
    digest_lines,
    metrics,
    read_metrics,
    scan_metrics,
)


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


def test_a_missing_file_has_no_records(tmp_path):
    assert read_metrics(tmp_path / "metrics.jsonl") == []


def test_lines_after_the_checkpoint_are_dropped_when_training_resumes(tmp_path):
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
def test_a_last_line_cut_short_is_ignored_and_replaced(tmp_path, cut):
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


def _write_lines(directory, *lines):
    (directory / "metrics.jsonl").write_bytes(b"".join(lines))


LINES = [f'{{"step": {step}, "loss": {step / 8}}}\n'.encode() for step in (10, 20, 30)]
DAMAGE = {
    "garbage": (b"\xff\x00{\n", "line 2 cannot be read"),
    "cut short": (LINES[1][:9] + b"\n", "line 2 cannot be read"),
    "two in one": (LINES[1][:9] + LINES[2], "line 2 cannot be read"),
    "no object": (b"[1, 2]\n", "line 2 cannot be read"),
    "no step": (b'{"loss": 1.0}\n', "line 2 cannot be read"),
    "text for a value": (b'{"step": 20, "loss": "abc"}\n', "line 2 cannot be read"),
    "empty": (b"\n", "line 2 cannot be read"),
    "twice": (LINES[0], "step 10 comes after step 10"),
    "going back": (b'{"step": 5}\n', "step 5 comes after step 10"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_in_the_middle_is_reported_and_the_rest_is_read(tmp_path, damage):
    line, complaint = DAMAGE[damage]
    _write_lines(tmp_path, LINES[0], line, LINES[2])
    told = []
    records = read_metrics(tmp_path / "metrics.jsonl", told.append)
    assert {record["step"] for record in records} >= {10, 30}
    assert len(told) == 1
    assert complaint in told[0]
    assert scan_metrics(tmp_path / "metrics.jsonl")[1][0] == complaint


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_stored_beside_the_new_one(tmp_path, damage):
    _write_lines(tmp_path, LINES[0], DAMAGE[damage][0], LINES[2])
    before, told = (tmp_path / "metrics.jsonl").read_bytes(), []
    for _ in range(2):
        log = MetricsLog(tmp_path, 30, told.append)
        log.write(40, {"loss": 5.0})
        log.close()
    assert len(told) == 1
    assert "kept as metrics.damaged.jsonl, and training continues" in told[0]
    assert (tmp_path / "metrics.damaged.jsonl").read_bytes() == before
    assert scan_metrics(tmp_path / "metrics.jsonl")[1] == []
    assert set(_steps(tmp_path)) >= {10, 30, 40}


def test_damaged_files_do_not_replace_each_other(tmp_path):
    for garbage in (b"first\n", b"second\n"):
        _write_lines(tmp_path, garbage, LINES[0])
        MetricsLog(tmp_path, 10, lambda line: None).close()
    kept = sorted(path.read_bytes()[:6] for path in tmp_path.glob("metrics.damaged*"))
    assert kept == [b"first\n", b"second"]


def test_a_damaged_file_keeps_its_name_when_another_was_deleted(tmp_path):
    (tmp_path / "metrics.damaged-1.jsonl").write_bytes(b"kept\n")
    for garbage in (b"first\n", b"second\n"):
        _write_lines(tmp_path, garbage, LINES[0])
        MetricsLog(tmp_path, 10, lambda line: None).close()
    names = ("metrics.damaged.jsonl", "metrics.damaged-1.jsonl", "metrics.damaged-2.jsonl")
    found = [(tmp_path / name).read_bytes().splitlines()[0] for name in names]
    assert found == [b"first", b"kept", b"second"]


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes().splitlines(keepends=True)[0]),
        lambda path: path.write_bytes(path.read_bytes().replace(b'"step": 2', b'"step": 7')),
        lambda path: path.write_bytes(path.read_bytes().replace(b": 0.5,", b": 0.6,")),
    ],
    ids=["file lost", "line lost", "other step", "other digit"],
)
def test_lines_that_differ_from_the_checkpoints_are_reported(tmp_path, change):
    log, told = MetricsLog(tmp_path, 0), []
    for step in (1, 2):
        log.write(step, {"loss": 0.5})
    digest = log.digest
    log.write(3, {"loss": 0.25})
    log.close()
    assert digest == digest_lines(read_metrics(tmp_path / "metrics.jsonl")[:2])
    MetricsLog(tmp_path, 2, told.append, digest).close()
    assert told == []
    change(tmp_path / "metrics.jsonl")
    MetricsLog(tmp_path, 2, told.append, digest).close()
    assert len(told) == 1
    assert "its lines to step 2 are not those that were there when it was saved" in told[0]


def test_earlier_lines_stay_byte_for_byte(tmp_path):
    log = MetricsLog(tmp_path, 0)
    log.write(1, {"loss": 0.1 + 0.2, "grad_norm": 1e-300})
    log.write(2, {"loss": float("inf")})
    log.close()
    before = (tmp_path / "metrics.jsonl").read_bytes()
    MetricsLog(tmp_path, 2).close()
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def test_sync_forces_the_file_onto_the_disk(tmp_path, monkeypatch):
    log, synced = MetricsLog(tmp_path, 0), []
    log.write(1, {"loss": 0.5})
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    log.sync()
    assert synced == [(tmp_path / "metrics.jsonl").stat().st_ino]
    log.close()


# --- lost meanwhile -------------------------------------------------------------------------


def test_a_file_that_is_deleted_meanwhile_is_written_again(tmp_path):
    log, path = MetricsLog(tmp_path, 0), tmp_path / "metrics.jsonl"
    log.write(1, {"loss": 0.5})
    assert log.sync() == ""
    before = path.read_bytes()
    path.unlink()
    assert f"{path} was deleted" in log.sync()
    assert path.read_bytes() == before
    log.close()


@pytest.mark.parametrize("contents", ["", '{"step": 1, "loss": 0.25}\n'])
def test_a_file_that_is_replaced_meanwhile_is_reported_and_kept(tmp_path, contents):
    log, path = MetricsLog(tmp_path, 0), tmp_path / "metrics.jsonl"
    log.write(1, {"loss": 0.5})
    path.unlink()
    path.write_text(contents)
    assert str(path) in log.sync()
    assert path.read_text() == contents
    log.close()


@pytest.mark.parametrize("then", [lambda folder: None, lambda folder: folder.mkdir()])
def test_nothing_is_written_to_a_folder_that_is_another_one_now(tmp_path, then):
    """As if the file system was unmounted: the same path is an empty folder of another disk."""
    folder = tmp_path / "run"
    folder.mkdir()
    log = MetricsLog(folder, 0)
    folder.rename(tmp_path / "elsewhere")
    then(folder)
    with pytest.raises(WorkdirError, match=f"{folder} was moved, deleted or unmounted"):
        log.sync()
    assert not (folder / "metrics.jsonl").exists()
    log.close()


def test_a_disk_that_fails_is_one_line_that_names_the_file(tmp_path, monkeypatch):
    log = MetricsLog(tmp_path, 0)
    monkeypatch.setattr(os, "fsync", lambda handle: os.stat("/nowhere at all"))
    with pytest.raises(WorkdirError, match=r"metrics\.jsonl: No such file"):
        log.sync()
    log.close()


# --- times ----------------------------------------------------------------------------------


class Clock:
    """The clock of a computer, instead of the module ``time``."""

    now = 1.7e9

    def time(self):
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(metrics, "time", clock)
    return clock


def _timed_log(directory, clock, start, steps, seconds=5.0):
    log = MetricsLog(directory, start)
    for step in steps:
        clock.now += seconds
        log.write(step, {"loss": step / 8})
    log.close()
    return log.digest


def test_each_line_keeps_its_time_when_training_resumes(tmp_path, clock):
    _timed_log(tmp_path, clock, 0, [10, 20, 30])
    clock.now += 3600
    _timed_log(tmp_path, clock, 20, [30], seconds=20.0)
    records, complaints = scan_metrics(tmp_path / "metrics.jsonl", times=True)
    assert [record["time"] - 1.7e9 for record in records] == [5.0, 10.0, 3635.0]
    assert complaints == []


def test_times_are_no_part_of_records_and_digests(tmp_path, clock):
    found = []
    for name, seconds in (("slow", 7.0), ("fast", 0.1)):
        digest = _timed_log(tmp_path / name, clock, 0, [10, 20], seconds)
        found.append((digest, scan_metrics(tmp_path / name / "metrics.jsonl")))
    assert found[0] == found[1]
    records = found[0][1][0]
    assert records == [{"step": 10, "loss": 1.25}, {"step": 20, "loss": 2.5}]
    assert digest_lines(records) == found[0][0]
    timed, _ = scan_metrics(tmp_path / "slow" / "metrics.jsonl", times=True)
    assert digest_lines(timed) == found[0][0]


def test_lines_of_version_0_1_have_no_times_and_keep_their_digest(tmp_path, clock):
    _write_lines(tmp_path, *LINES)
    path, told = tmp_path / "metrics.jsonl", []
    digest = hashlib.sha256(b"".join(LINES)).hexdigest()  # as version 0.1 computed it
    log = MetricsLog(tmp_path, 30, told.append, digest)
    assert log.digest == digest
    clock.now += 2.0
    log.write(40, {"loss": 5.0})
    log.close()
    assert told == []
    assert path.read_bytes().startswith(b"".join(LINES))
    times = [record.get("time") for record in scan_metrics(path, times=True)[0]]
    assert times == [None, None, None, 1.7e9 + 2.0]
