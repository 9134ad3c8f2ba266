"""Processes of ``main.py`` that are killed, at random moments and while they write."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tiny

from gradlog.experiment.run import Run
from gradlog.storage import read_metrics, scan_metrics

STEPS = 600
SETTINGS = {
    "training.steps": STEPS,
    "training.checkpoint_every": 50,
    "training.log_every": 33,
    "training.eval_every": 50,
    "training.keep": 3,
    "training.keep_every": 200,
    "optimizer.accumulate": 3,
    "data.num_test": 24,
    "eval.batch_size": 2,
    "eval.second_look": 6,
}
_PROCESS_SECONDS = 300


def run_in(folder: Path) -> Run:
    """Open the run of these processes in this process."""
    return Run.open(folder, tiny.points(**SETTINGS))


@dataclass
class Killed:
    """A run whose processes are killed.

    Attributes:
      folder: its workdir.
      cache: the compiled programs, which the processes share.
      moments: when each process was ended, in words.
    """

    folder: Path
    cache: Path
    moments: list[str] = field(default_factory=list)

    def finish(self, mode: str) -> str:
        """Run the mode to its end, which must succeed, and return its output."""
        process = self.start(mode)
        output, _ = process.communicate(timeout=_PROCESS_SECONDS)
        assert process.returncode == 0, output[-3000:]
        return output

    def kill(self, mode: str, moment: "Moment", signum: int = signal.SIGKILL) -> bool:
        """End a process of the mode at the moment. Return whether it still ran."""
        process = self.start(mode)
        try:
            moment.wait(self.folder, process)
            process.send_signal(signum)
            output, _ = process.communicate(timeout=_PROCESS_SECONDS)
        finally:
            process.kill()
        if process.returncode == 0:
            return False
        expected = -signum if signum == signal.SIGKILL else 128 + signum
        assert process.returncode == expected, output[-3000:]
        self.moments.append(f"{mode} {moment.name}")
        return True

    def start(self, mode: str) -> subprocess.Popen:
        """Start the same command every time."""
        flags = tiny.flags_of(tiny.points(**SETTINGS), tiny.base())
        command = ["main.py", "--config=configs/toy/mixture.py", f"--workdir={self.folder}"]
        return subprocess.Popen(
            [sys.executable, *command, f"--mode={mode}", *flags],
            cwd=tiny.ROOT,
            env={**os.environ, "JAX_COMPILATION_CACHE_DIR": str(self.cache)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@dataclass(frozen=True)
class Moment:
    """When to end a process: a little after its folder has changed.

    Attributes:
      name: the change.
      seen: reads a value from the folder; the moment has come when the value changes.
      later: seconds after the change.
    """

    name: str
    seen: Callable[[Path], object]
    later: float

    def wait(self, folder: Path, process: subprocess.Popen) -> None:
        """Wait for the moment, or for the end of the process."""
        before, deadline = self.seen(folder), time.monotonic() + _PROCESS_SECONDS
        while self.seen(folder) == before and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.0005)
        time.sleep(self.later)


def _never_the_same(folder: Path) -> object:
    return object()


def _lines(folder: Path) -> int:
    path = folder / "metrics.jsonl"
    return path.stat().st_size if path.exists() else 0


def _names(folder: Path, where: str, pattern: str) -> frozenset[str]:
    return frozenset(str(path) for path in (folder / where).glob(pattern))


# By mode: the changes that can be seen from outside, and the longest delay after them in seconds.
MOMENTS: dict[str, list[tuple[str, Callable[[Path], object], float]]] = {
    "train": [
        ("at any time", _never_the_same, 8.0),
        ("while it trains", _lines, 2.0),
        ("in a line of the log", _lines, 0.0),
        ("while a checkpoint is written", lambda f: _names(f, "checkpoints", ".saving-*"), 0.01),
        ("when a checkpoint appears", lambda f: _names(f, "checkpoints", "[0-9]*"), 0.002),
        ("while one is deleted", lambda f: _names(f, "checkpoints", ".deleting-*"), 0.001),
    ],
    "eval": [
        ("at any time", _never_the_same, 8.0),
        ("after a batch", lambda f: _names(f, "eval", "*/ode/partial/*.npz"), 0.2),
        ("while a batch is written", lambda f: _names(f, "eval", "*/ode/partial/.*"), 0.0),
        ("in the second look", lambda f: _names(f, "eval", "*/ode/partial/second_look/*"), 0.05),
        ("while the result is written", lambda f: _names(f, "eval", "*/ode/*.npz"), 0.001),
    ],
}


def moment(mode: str, rng: np.random.Generator) -> Moment:
    """Return a random moment for a process of the mode."""
    name, seen, most = MOMENTS[mode][rng.integers(len(MOMENTS[mode]))]
    return Moment(name, seen, float(rng.uniform(0, most)))


def assert_nothing_is_damaged(folder: Path) -> None:
    """Check that all files of a killed process can be read, and no step is logged twice."""
    if not (folder / "config.json").exists():
        return
    run = Run.open(folder)
    assert [run.checkpoints.verify(step) for step in run.checkpoints.steps()] == [
        [] for _ in run.checkpoints.steps()
    ]
    steps = [record["step"] for record in read_metrics(run.workdir.metrics)]
    assert steps == sorted(set(steps))


def assert_the_same_run(folder: Path, undisturbed: Path) -> None:
    """Check that state, metrics and every image's bits/dim are equal bit for bit."""
    runs = [Run.open(each) for each in (folder, undisturbed)]
    tiny.assert_bitwise_equal(*(run.state(STEPS) for run in runs))
    lines, expected = (scan_metrics(run.workdir.metrics) for run in runs)
    assert lines == expected
    results = [each / "eval" / str(STEPS) / "ode" for each in (folder, undisturbed)]
    summaries = [json.loads((each / "bits_per_dim.json").read_text()) for each in results]
    assert _numbers(summaries[0]) == _numbers(summaries[1])
    archives = [dict(np.load(each / "per_image.npz")) for each in results]
    tiny.assert_bitwise_equal(*archives)
    assert not (results[0] / "partial").exists()


def _numbers(summary: dict) -> dict:
    """Return a summary without its times, and without the digest over them."""
    return {name: value for name, value in summary.items() if "seconds" not in name} | {
        "sha256": None
    }
