"""``--mode=sweep`` on the command line: usage errors, and a real sweep that is interrupted."""

import csv
import os
import signal
import subprocess
import sys
import time

import pytest
import tiny
from planned_sweeps import HEAD

from gradlog.cli.flags import Options, read_flags
from gradlog.config_error import UsageError

SECONDS = 300


def _process(*arguments, environment=None):
    return subprocess.Popen(
        [sys.executable, "main.py", "--mode=sweep", *arguments],
        cwd=tiny.ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _ended(process):
    output, errors = process.communicate(timeout=SECONDS)
    return process.returncode, output, errors


@pytest.mark.parametrize(
    ("mode", "flag", "named"),
    [
        ("sweep", "--dry_run", "--sweep=FILE"),
        ("train", "--sweep=a.py", "--sweep"),
        ("train", "--jobs=2", "--jobs"),
        ("eval", "--dry_run", "--dry_run"),
        ("eval", "--launcher=slurm", "--launcher"),
    ],
)
def test_sweep_flags_go_together(mode, flag, named):
    with pytest.raises(UsageError, match=f"{named}.*--mode=sweep|--mode=sweep.*{named}"):
        read_flags([f"--mode={mode}", "--workdir=w", flag]).check()


def test_number_of_jobs_is_not_negative():
    file = "configs/sweeps/digits_weighting_sde.py"
    with pytest.raises(UsageError, match="--jobs=-1"):
        Options("sweep", "w", sweep=file, jobs=-1).check()
    Options("sweep", "w", sweep=file, jobs=3, launcher="slurm", dry_run=True).check()


def test_usage_error_is_one_line_and_writes_nothing(tmp_path):
    where = f"--workdir={tmp_path / 'new'}"
    status, output, errors = _ended(_process(where))
    assert (status, output) == (2, "")
    assert errors.startswith("error: --mode=sweep needs --sweep=FILE")
    status, output, errors = _ended(_process(where, "--sweep=none.py"))
    assert (status, output) == (2, "")
    assert errors.startswith("error: --sweep: there is no file none.py;")
    assert not (tmp_path / "new").exists()


# --- a real one -----------------------------------------------------------------------------

SETTINGS = {"training.steps": 400, "training.checkpoint_every": 20, "eval.batch_size": 4}
SWEEP = f"""
import tiny


def get_config():
    return tiny.points(**{SETTINGS})


def sweep():
    return product([{{"likelihood.name": "bound"}}], seeds(2))
"""


def _sweep(folder, *arguments):
    """A sweep of two runs."""
    (folder / "sweep.py").write_text(HEAD + SWEEP)
    where = [f"--sweep={folder / 'sweep.py'}", f"--workdir={folder / 'sweep'}"]
    environment = {"PYTHONPATH": str(tiny.ROOT / "tests"), "JAX_PLATFORMS": "cpu"}
    return _process(*where, *arguments, environment=environment)


def _rows(folder):
    with (folder / "sweep" / "results.csv").open() as file:
        return list(csv.DictReader(file))


def _bits(folder):
    return {row["name"]: row["bits_per_dim"] for row in _rows(folder)}


def _steps(folder):
    return [int(path.name) for path in folder.glob("sweep/runs/*/checkpoints/[0-9]*")]


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_sweep_gives_the_same_bits(tmp_path, signum):
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    whole.mkdir()
    parted.mkdir()
    status, output, errors = _ended(_sweep(whole))
    assert (status, errors) == (0, ""), errors
    assert {row["status"] for row in _rows(whole)} == {"done"}
    assert "settings by bound" in output

    process, deadline = _sweep(parted, "--jobs=2"), time.monotonic() + SECONDS
    while max(_steps(parted), default=0) < 60:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signum)
    status, _, errors = _ended(process)
    assert status == (-signum if signum == signal.SIGKILL else 130), errors
    if signum == signal.SIGINT:
        assert errors.endswith(
            "interrupted; the same command leaves finished runs alone and goes on with the others\n"
        )
    begun = max(_steps(parted))
    assert 60 <= begun < 400
    status, _, errors = _ended(_sweep(parted))
    assert (status, errors) == (0, ""), errors
    assert _bits(parted) == _bits(whole)

    before = {path: path.read_bytes() for path in parted.glob("sweep/runs/*.log")}
    status, output, _ = _ended(_sweep(parted))
    assert status == 0
    assert "all runs are done" in output
    assert {path: path.read_bytes() for path in parted.glob("sweep/runs/*.log")} == before
