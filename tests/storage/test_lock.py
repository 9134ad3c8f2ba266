"""The lock of a folder: one process at a time, released when the process ends."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gradlog.storage import WorkdirError, WorkdirLock

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from pathlib import Path
from gradlog.storage import WorkdirLock
with WorkdirLock(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Start another process that locks the folder until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.communicate(timeout=60)


def _take(folder):
    with WorkdirLock(folder, pytest.fail):
        pass


def test_a_locked_folder_is_one_line_with_its_holder(tmp_path, holder):
    with pytest.raises(WorkdirError) as caught:
        _take(tmp_path / "run")
    line = str(caught.value)
    expected = f"{tmp_path / 'run'} is in use by process {holder.pid} on {socket.gethostname()} "
    assert line.startswith(expected + "since 20")
    assert "\n" not in line


@pytest.mark.parametrize("how", ["in order", "killed"])
def test_the_lock_ends_with_its_process(tmp_path, holder, how):
    if how == "killed":
        os.kill(holder.pid, signal.SIGKILL)
    holder.communicate("", timeout=60)
    _take(tmp_path / "run")


def test_one_process_cannot_lock_twice(tmp_path):
    with WorkdirLock(tmp_path), pytest.raises(WorkdirError, match=f"process {os.getpid()} on"):
        _take(tmp_path)
    _take(tmp_path)


def test_the_lock_is_released_when_the_block_fails(tmp_path):
    with pytest.raises(KeyError), WorkdirLock(tmp_path):
        raise KeyError
    _take(tmp_path)


def test_the_file_is_empty_when_nobody_holds_the_lock(tmp_path):
    with WorkdirLock(tmp_path):
        assert str(os.getpid()) in (tmp_path / ".lock").read_text()
    assert (tmp_path / ".lock").read_text() == ""


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 3}'])
def test_a_holder_that_cannot_be_read_is_another_process(tmp_path, text):
    with WorkdirLock(tmp_path):
        (tmp_path / ".lock").write_text(text)
        with pytest.raises(WorkdirError, match="is in use by another process; wait"):
            _take(tmp_path)


def test_an_impossible_folder_is_one_line(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(WorkdirError, match="cannot write to"):
        _take(tmp_path / "run")


def _failing_with(number):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    return flock


def test_a_file_system_without_locks_is_a_note(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", _failing_with(errno.ENOLCK))
    notes = []
    with WorkdirLock(tmp_path, notes.append):
        pass
    assert len(notes) == 1
    assert "has no locks" in notes[0]


def test_another_failure_of_a_lock_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", _failing_with(errno.EIO))
    with pytest.raises(WorkdirError, match=r"cannot lock .*Input/output error"):
        _take(tmp_path)


@pytest.mark.parametrize("make", [os.symlink, os.link])
def test_a_lock_that_is_another_file_is_refused_and_stays_as_it_was(tmp_path, make):
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("of the user")
    (tmp_path / "run").mkdir()
    make(thesis, tmp_path / "run" / ".lock")
    with pytest.raises(WorkdirError, match=r"run/\.lock"):
        _take(tmp_path / "run")
    assert thesis.read_text() == "of the user"


def test_a_full_disk_is_one_line_that_names_the_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "pwrite", _failing_with(errno.ENOSPC))
    with pytest.raises(WorkdirError, match=r"\.lock: No space left on device"):
        _take(tmp_path)


def _move(folder, then=lambda folder: None, raised=()):
    with WorkdirLock(folder):
        folder.rename(folder.with_name("elsewhere"))
        then(folder)
        for error in raised:
            raise error


@pytest.mark.parametrize("then", [lambda folder: None, lambda folder: folder.mkdir()])
def test_a_folder_that_is_moved_while_it_is_locked_is_an_error(tmp_path, then):
    with pytest.raises(WorkdirError, match=f"{tmp_path / 'run'},.* was moved"):
        _move(tmp_path / "run", then)


def test_the_error_of_the_block_goes_first(tmp_path):
    with pytest.raises(KeyError):
        _move(tmp_path / "run", raised=[KeyError()])
