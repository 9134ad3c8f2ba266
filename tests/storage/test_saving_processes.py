"""Processes that save: killed at any moment, or one of several hosts."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gradlog.storage import Checkpoints, Retention

ROOT = Path(__file__).parents[2]
LIKE = {"x": np.zeros((4, 50_000)), "step": np.asarray(0)}

SAVING = """
import sys
from pathlib import Path
import numpy as np
from gradlog.storage import Checkpoints, Retention
checkpoints = Checkpoints(Path(sys.argv[1]), Retention(3))
steps = reversed(checkpoints.steps())
first = next((step for step in steps if not checkpoints.verify(step)), 0) + 1
print("saving", flush=True)
for step in range(first, first + 100_000):
    state = {"x": np.random.default_rng(step).normal(size=(4, 50_000)), "step": np.asarray(step)}
    checkpoints.save(step, state)
"""

HOST = """
import sys
from pathlib import Path
import jax
jax.distributed.initialize(f"localhost:{sys.argv[2]}", 2, int(sys.argv[3]))
import numpy as np
from jax.experimental import multihost_utils
from gradlog.storage import Checkpoints
checkpoints, state = Checkpoints(Path(sys.argv[1])), {"x": np.arange(10.0)}
if jax.process_index() == 0:
    checkpoints.save(1, state)
    checkpoints.save(2, state)
    checkpoints.close()
    assert checkpoints.verify(2) == []
multihost_utils.sync_global_devices("saved")
if jax.process_index() == 1:
    assert checkpoints.restore(2, state)["x"].tolist() == state["x"].tolist()
multihost_utils.sync_global_devices("restored by one")
assert checkpoints.restore(1, state)["x"].tolist() == state["x"].tolist()
print("done")
"""


def _start(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _check_whole(folder: Path, at_least: int) -> int:
    """Check that every listed step is intact and is itself; return the newest."""
    checkpoints = Checkpoints(folder)
    steps = checkpoints.steps()
    for step in steps:
        found = checkpoints.restore(step, LIKE)
        assert found["step"] == step
        expected = np.random.default_rng(step).normal(size=(4, 50_000))
        assert found["x"].tobytes() == expected.tobytes()
    newest = max(steps, default=0)
    assert newest >= at_least
    return newest


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_whole_checkpoints(tmp_path):
    rng, newest, folder = np.random.default_rng(0), 0, tmp_path / "checkpoints"
    for _ in range(15):
        process = _start(SAVING, str(folder))
        assert process.stdout
        assert process.stdout.readline() == "saving\n"
        time.sleep(rng.uniform(0.0, 3.0))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        newest = _check_whole(folder, newest)
    assert newest > 10
    checkpoints = Checkpoints(folder, Retention(3))
    checkpoints.save(newest + 1, LIKE)
    checkpoints.close()
    left = sorted(int(path.name) for path in folder.iterdir())
    assert left == [newest - 1, newest, newest + 1]


def _free_port() -> str:
    with socket.socket() as bound:
        bound.bind(("localhost", 0))
        return str(bound.getsockname()[1])


@pytest.mark.slow
def test_each_host_saves_and_restores_without_the_others(tmp_path):
    """A save or restore that waited for another host would wait forever."""
    port = _free_port()
    hosts = [_start(HOST, str(tmp_path / "checkpoints"), port, str(i)) for i in range(2)]
    try:
        for host in hosts:
            out, errors = host.communicate(timeout=120)
            assert host.returncode == 0, errors[-3000:]
            assert out.endswith("done\n")  # after what Gloo says
    finally:
        for host in hosts:
            host.kill()
