"""The parent of a host's work: signals, exit statuses, and the last message."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny

from gradlog import supervisor

SCRIPT = Path(__file__).with_name("supervised_work.py")


def start(workdir: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(workdir), *arguments],
        env=os.environ | {"PYTHONPATH": str(tiny.ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def work(workdir: Path, kind: str) -> tuple[int, str, str]:
    process = start(workdir, kind)
    out, errors = process.communicate(timeout=60)
    return process.returncode, out, errors


@pytest.fixture
def workdir(tmp_path) -> Path:
    """Make a folder with the checkpoints of steps 9 and 10, and an unfinished one."""
    for name in ("9", "10", ".11.tmp", "damaged"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
        (tmp_path / "checkpoints" / name / "manifest.json").touch()
    (tmp_path / "checkpoints" / "12").mkdir()
    return tmp_path


def test_output_is_passed_on_without_jaxs_log(workdir):
    assert work(workdir, "speaks") == (0, "out\n", "warning: of interest\n")
    assert not list(workdir.glob("*.log"))


def test_a_mistake_keeps_its_status_and_waits_for_the_other_hosts(workdir):
    assert work(workdir, "mistake") == (2, "left\n", "")


def test_other_statuses_are_passed_on(workdir):
    assert work(workdir, "three")[0] == 3


def test_a_bug_is_no_lost_host(workdir):
    status, out, errors = work(workdir, "bug")
    assert (status, out) == (1, "left\n")
    assert errors.startswith("Traceback")
    assert errors.endswith("RuntimeError: Gloo is a word\n")


def test_hosts_that_never_came_together_are_a_mistake(workdir):
    status, _, errors = work(workdir, "aborts")
    assert status == 2
    (line,) = errors.splitlines()
    assert line.startswith("error: the hosts did not all come together in time")


@pytest.mark.parametrize("kind", ["joins and aborts", "gloo"])
def test_a_lost_host_is_told_in_one_line(workdir, kind):
    status, out, errors = work(workdir, kind)
    assert (status, out) == (supervisor.LOST, "")
    (line,) = errors.splitlines()
    assert line.startswith("error: host 1 lost touch with another host")
    assert f"the newest checkpoint in {workdir} is that of step 10" in line


def test_jaxs_log_is_stored(workdir):
    errors = work(workdir, "joins and aborts")[2]
    path = workdir / "lost-host-1.log"
    assert f"messages are in {path}" in errors
    assert "The tasks have crashed." in path.read_text()
    assert "RPC: /xla" in path.read_text()


def test_nothing_is_written_without_a_workdir(tmp_path):
    status, _, errors = work(tmp_path / "none", "joins and aborts")
    assert status == supervisor.LOST
    assert "there is no checkpoint yet" in errors
    assert list(tmp_path.iterdir()) == []


def test_killed_work_is_reported(workdir):
    status, _, errors = work(workdir, "killed")
    assert status == supervisor.LOST
    (line,) = errors.splitlines()
    assert line.startswith("error: the work of host 1 was ended by SIGKILL")


def started(workdir: Path, tmp_path: Path, kind: str = "waits") -> tuple[subprocess.Popen, int]:
    """Start a parent. Return it with the number of its child, which waits for signals."""
    file = tmp_path / "pid"
    process, end = start(workdir, kind, str(file)), time.monotonic() + 60
    while not (file.exists() and file.read_text()):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    return process, int(file.read_text())


@pytest.mark.parametrize("signum", supervisor.SIGNALS)
def test_a_signal_is_passed_on_once(workdir, tmp_path, signum):
    process, _ = started(workdir, tmp_path)
    process.send_signal(signum)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (128 + signum, f"signals [{int(signum)}]\n", "")


def test_work_that_a_signal_ends_before_it_can_handle_it_is_not_lost(workdir, tmp_path):
    process, _ = started(workdir, tmp_path, "imports")
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (128 + signal.SIGTERM, "", "")


def test_ctrl_c_reaches_the_work_once(workdir, tmp_path):
    """A terminal sends the signal to the whole group."""
    process, _ = started(workdir, tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60)[0] == f"signals [{int(signal.SIGINT)}]\n"


def test_the_work_ends_with_its_parent(workdir, tmp_path):
    process, child = started(workdir, tmp_path)
    process.kill()
    process.communicate(timeout=60)
    end = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and "Z (" not in _state(child):
        assert time.monotonic() < end
        time.sleep(0.01)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text().split("State:\t")[1]
    except FileNotFoundError:
        return "Z (gone)"


def test_one_host_alone_has_no_parent(monkeypatch):
    monkeypatch.delenv("GRADLOG_PARENT", raising=False)
    seen = []
    supervisor.supervise(lambda: seen.append(os.getpid()), None)
    assert seen == [os.getpid()]
