"""Measure how long a user waits for the first line: help, the list of experiments, an evaluation.

python benchmarks/startup.py [--against=DIR] [--rounds=5] [--json=FILE]

Each command is a process of its own and runs once per round. The table has the median and the
fastest wall-clock time in seconds. With a second checkout both take turns, and a dash stands for a
command that it does not have. The checkout first trains and evaluates a tiny workdir. Then the
evaluation finds its result, so that only start-up remains. `first line` is the time until the first
output, and `end` the time until the process ends.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TINY = (
    "--config=configs/toy/mixture.py",
    *("--config.training.steps=4", "--config.training.batch_size=16", "--config.model.hidden=8"),
    *("--config.data.num_train=100", "--config.data.num_test=12"),
)
COMMANDS = {
    "--help": ("--help",),
    "--mode=configs": ("--mode=configs",),
    "--mode=eval": ("--workdir={workdir}", "--mode=eval"),
}
Times = tuple[float, float]


def timed(checkout: Path, arguments: Sequence[str]) -> Times | None:
    """Return the seconds until the first line and until the end; None if it fails."""
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
        process.stdout.read()
    return None if process.returncode else (first, time.perf_counter() - began)


def measure(checkouts: dict[str, Path], rounds: int, folder: Path) -> list[dict]:
    """Return a row for each command of each checkout; the first run only warms the file cache."""
    workdirs = {name: str(folder / name) for name in checkouts}
    for name, checkout in checkouts.items():
        if not timed(checkout, [*TINY, f"--workdir={workdirs[name]}"]):
            raise SystemExit(f"{checkout} cannot train a tiny run")
    rows = []
    for command, arguments in COMMANDS.items():
        found: dict[str, list[Times | None]] = {name: [] for name in checkouts}
        for _ in range(rounds + 1):
            for name, checkout in checkouts.items():
                given = [each.format(workdir=workdirs[name]) for each in arguments]
                found[name].append(timed(checkout, given))
        if None in found["here"]:
            raise SystemExit(f"{command} failed")
        rows += [row_of(command, name, times[1:]) for name, times in found.items()]
    return rows


def row_of(command: str, checkout: str, times: Sequence[Times | None]) -> dict:
    row: dict[str, Any] = {"command": command, "checkout": checkout}
    done = [each for each in times if each]
    for i, name in enumerate(("first_line", "end") if done else ()):
        row[name] = [statistics.median(each[i] for each in done), min(each[i] for each in done)]
    return row


def commit_of(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def show(rows: list[dict]) -> None:
    print("seconds: median, fastest               first line           end")
    for row in rows:
        times = [
            "  ".join(f"{seconds:5.2f}" for seconds in row[name]) if name in row else f"{'-':>12s}"
            for name in ("first_line", "end")
        ]
        print(f"{row['command']:16s} {row['checkout']:16s}  {'  '.join(times)}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    checkouts = {"here": ROOT}
    if given.against:
        checkouts["against"] = given.against.absolute()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(checkouts, given.rounds, Path(folder))
    show(rows)
    if given.json:
        commits = {name: commit_of(path) for name, path in checkouts.items()}
        told = {"device": "cpu", "commits": commits, "rows": rows}
        given.json.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
