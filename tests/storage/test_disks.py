"""Disks that are full, too small or read-only."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny

from gradlog.storage import (
    CheckpointError,
    Checkpoints,
    MetricsLog,
    WorkdirError,
    check_writable,
    checkpoints as module,
    scan_metrics,
)
from gradlog.storage.files import atomic

ROOT = Path(__file__).parents[2]
LIKE = {"x": np.zeros(100_000)}
STATE = {"x": np.random.default_rng(0).normal(size=100_000)}

LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
from gradlog.storage import CheckpointError, Checkpoints
state = {"x": np.random.default_rng(0).normal(size=100_000)}
checkpoints = Checkpoints(Path(sys.argv[1]))
checkpoints.save(1, state)
checkpoints.finish()
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
checkpoints.save(2, state)
try:
    checkpoints.finish()
except CheckpointError as error:
    print(error)
checkpoints.close()
"""


def _check_left(folder):
    """Step 1 as it was, and nothing of step 2."""
    checkpoints = Checkpoints(folder)
    assert [path.name for path in folder.iterdir()] == ["1"]
    np.testing.assert_array_equal(checkpoints.restore(1, LIKE)["x"], STATE["x"])


def test_a_file_above_the_size_limit_is_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.splitlines() == [
        f"cannot write the checkpoint of step 2 (800,000 bytes) to {tmp_path}: File too large; "
        "free space there; earlier checkpoints are unchanged, and the same command resumes from "
        "the newest"
    ]
    assert "Traceback" not in done.stderr
    _check_left(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("where", ["sync", "write_arrays", "atomic_folder"])
def test_a_disk_that_fails_is_one_line_by_the_next_save(tmp_path, monkeypatch, number, where):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, STATE)
    checkpoints.finish()

    def fail(*_):
        raise OSError(number, os.strerror(number))

    place = (
        "gradlog.storage.files.sync" if where == "sync" else f"gradlog.storage.checkpoints.{where}"
    )
    monkeypatch.setattr(place, fail)
    checkpoints.save(2, STATE)
    with pytest.raises(CheckpointError, match=f"step 2 .*: {os.strerror(number)}; ") as caught:
        checkpoints.save(3, STATE)
    assert "\n" not in str(caught.value)
    assert ("free space" in str(caught.value)) == (number == errno.ENOSPC)
    checkpoints.close()
    _check_left(tmp_path)


def test_a_failure_is_raised_once_and_the_next_save_works(tmp_path, monkeypatch):
    checkpoints, stored = Checkpoints(tmp_path), module.write_arrays
    monkeypatch.setattr(module, "write_arrays", lambda *_: os.stat("/nowhere at all"))
    checkpoints.save(1, STATE)
    with pytest.raises(CheckpointError, match="No such file"):
        checkpoints.finish()
    monkeypatch.setattr(module, "write_arrays", stored)
    checkpoints.save(1, STATE)
    checkpoints.close()
    _check_left(tmp_path)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)],
        capture_output=True,
        timeout=60,
        check=False,
    )
    if not made or made.returncode:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], timeout=60, check=True)


def test_a_full_disk_is_one_line_and_what_was_there_is_intact(small_disk):
    checkpoints = Checkpoints(small_disk / "checkpoints")
    checkpoints.save(1, STATE)
    checkpoints.finish()
    (small_disk / "filler").write_bytes(bytes(700_000))
    checkpoints.save(2, STATE)
    with pytest.raises(
        CheckpointError, match=r"800,000 bytes.*No space left on device; free space"
    ):
        checkpoints.finish()
    _check_left(small_disk / "checkpoints")
    (small_disk / "filler").unlink()
    checkpoints.save(2, STATE)
    checkpoints.close()
    assert tiny.newest_intact(checkpoints) == 2


def _fill(folder):
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017


def _log_up_to(last, log):
    for step in range(2, last):
        log.write(step, {"loss": 0.5})


def test_metrics_on_a_full_disk_are_one_line_and_earlier_lines_stay(small_disk):
    log = MetricsLog(small_disk, 0)
    log.write(1, {"loss": 0.5})
    _fill(small_disk)
    with pytest.raises(WorkdirError, match=r"cannot write to .*metrics\.jsonl: No space left"):
        _log_up_to(500, log)  # a few still go into the last block
    log.close()
    (small_disk / "filler").unlink()
    log = MetricsLog(small_disk, 1)
    log.write(2, {"loss": 0.25})
    log.close()
    expected = [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]
    assert scan_metrics(small_disk / "metrics.jsonl") == (expected, [])


def test_a_file_on_a_full_disk_is_named(small_disk):
    _fill(small_disk)
    with pytest.raises(OSError, match=r"No space left on device: '.*result\.json'"):
        _write(small_disk / "result.json")
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def _write(path):
    with atomic(path) as file:
        file.write(bytes(100_000))


def test_enough_space_passes_and_leaves_nothing(tmp_path):
    check_writable(tmp_path / "not" / "there", 1000)
    check_writable(tmp_path, 1000)
    assert list(tmp_path.iterdir()) == []


def test_too_little_space_is_one_line(small_disk):
    free = shutil.disk_usage(small_disk).free
    expected = f"needs 3,000,000 bytes .* its disk has {free:,} free"
    with pytest.raises(WorkdirError, match=expected):
        check_writable(small_disk / "run", 3_000_000)


def test_a_read_only_disk_is_one_line(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], timeout=60, check=True)
    with pytest.raises(WorkdirError, match=r"cannot write to .*: Read-only file system"):
        check_writable(small_disk / "run", 10)


def test_a_file_where_the_folder_should_be_is_one_line(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(WorkdirError, match=r"cannot write to .*: Not a directory"):
        check_writable(tmp_path / "run", 10)
