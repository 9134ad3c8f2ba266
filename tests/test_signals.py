"""Signals to real processes: what is kept, what is said, how they end."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny

from gradlog.experiment.run import Run

# A process in the background of a shell is born with SIGINT ignored, one under nohup with SIGHUP.
MAIN = (
    "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "signal.signal(signal.SIGHUP, signal.SIG_DFL); "
    "sys.argv[0] = 'main.py'; runpy.run_path('main.py', run_name='__main__')"
)
SECONDS = 120


class Process:
    """``main.py`` on the tiny experiment, and all that it has said."""

    def __init__(self, folder: Path, mode: str, *arguments: str, **overrides):
        flags = tiny.flags_of(tiny.points(**overrides), tiny.base())
        where = ["--config=configs/toy/mixture.py", f"--workdir={folder}", f"--mode={mode}"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", MAIN, *where, *arguments, *flags],
            cwd=tiny.ROOT,
            env={**os.environ, "PYTHONPATH": str(tiny.ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, condition) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def send(self, signum: int) -> None:
        self.process.send_signal(signum)

    def end(self) -> tuple[int, str]:
        """Its status, and what it said of errors."""
        _, errors = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, errors


@pytest.fixture
def start(tmp_path):
    """Starts a process in ``tmp_path / "run"``, which is ended with the test."""
    started = []

    def start(*arguments, folder=tmp_path / "run", **overrides):
        started.append(Process(folder, *arguments, **overrides))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


LONG = {"training.steps": 1_000_000, "training.checkpoint_every": 0, "training.eval_every": 0}


def test_training_writes_a_checkpoint_of_its_step_and_says_how_to_go_on(start, tmp_path):
    """After SIGHUP; ``training/test_interruption.py`` has each signal."""
    metrics = tmp_path / "run" / "metrics.jsonl"
    process = start("train", **LONG)
    process.wait_for(lambda: metrics.exists() and metrics.stat().st_size)
    process.send(signal.SIGHUP)
    status, errors = process.end()
    (step,) = Run.open(tmp_path / "run").steps("all")
    assert status == 128 + signal.SIGHUP
    first, last = errors.splitlines()
    assert first.startswith("SIGHUP: ")
    assert last.startswith(f"interrupted at step {step}; ")


def test_a_signal_while_the_step_is_compiled_leaves_in_order_as_well(start, tmp_path):
    process = start("train", **LONG)
    process.wait_for((tmp_path / "run" / "metrics.jsonl").exists)  # it is opened just before
    time.sleep(0.2)
    process.send(signal.SIGTERM)
    status, errors = process.end()
    assert status == 143, errors
    assert re.search(r"^interrupted at step \d+; the same command", errors, re.M)
    assert "Traceback" not in errors


def test_a_signal_before_anything_has_begun_leaves_at_once(start):
    process = start("train", **LONG)
    time.sleep(0.7)
    process.send(signal.SIGTERM)
    status, errors = process.end()
    assert status in (143, -signal.SIGTERM)  # the latter before Python is there
    assert "Traceback" not in errors


def test_an_evaluation_keeps_its_batches(start, workdir):
    partial = workdir / "eval" / "20" / "bound" / "partial"
    slow = {"likelihood.name": "bound", "likelihood.samples": 100_000, "likelihood.chunk": 1000}
    process = start("eval", folder=workdir, **slow, **{"eval.batch_size": 1})
    process.wait_for(lambda: list(partial.glob("*.npz")))
    process.send(signal.SIGTERM)
    status, errors = process.end()
    assert status == 143, errors
    first, last = errors.splitlines()
    assert first.startswith("SIGTERM: ")
    assert last.startswith("interrupted; finished batches")
    assert 0 < len(list(partial.glob("[0-9]*.npz"))) < 12
    assert not (partial.parent / "bits_per_dim.json").exists()
