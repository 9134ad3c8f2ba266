"""How long a user waits before something is said: help, the list of experiments, an evaluation.

python benchmarks/startup.py [--checkout=DIR] [--rounds=5]

Each command is a process of its own, started as often as there are rounds; the table has the median
and the fastest, in seconds of the wall clock. The workdir is a tiny one, trained and evaluated here
first, so that the evaluation finds its result: what is left is start-up. `first line` is the time
until anything can be read, `end` until the process is gone.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
TINY = (
    "--config=configs/toy/mixture.py",
    *("--config.training.steps=4", "--config.training.batch_size=16", "--config.model.hidden=8"),
    *("--config.data.num_train=100", "--config.data.num_test=12"),
)


def timed(checkout: Path, arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds until the first line and until the end."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "main.py", *arguments],
        cwd=checkout,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        first = time.perf_counter() - began
        output = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{output.decode()}")
    return first, time.perf_counter() - began


def measured(checkout: Path, arguments: Sequence[str], rounds: int) -> list[str]:
    """Median and fastest of both times; once before, so that files are in memory."""
    timed(checkout, arguments)
    times = zip(*(timed(checkout, arguments) for _ in range(rounds)), strict=True)
    return [f"{statistics.median(each):6.2f} {min(each):6.2f}" for each in times]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkout", type=Path, default=ROOT, help="whose main.py is measured")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workdir = f"--workdir={folder}/run"
        timed(given.checkout, [*TINY, workdir])
        ready = [workdir, "--mode=eval"]
        commands = {
            "--help": ["--help"],
            "--mode=configs": ["--mode=configs"],
            "--mode=eval": ready,
        }
        print("seconds: median, fastest     first line         end")
        for name, arguments in commands.items():
            first, end = measured(given.checkout, arguments, given.rounds)
            print(f"{name:27s} {first}  {end}", flush=True)


if __name__ == "__main__":
    main()
