"""``main.py`` run in this process or as one of its own, and what must be true of it in the end."""

import contextlib
import hashlib
import io
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import tiny

from gradlog.cli.main import main

SECONDS = 120.0  # for any command in this process, compilation included
# A training that went wrong as it ran has begun a workdir; all else is refused before.
WENT_WRONG = re.compile(r"^error: step \d+")


@dataclass(frozen=True)
class Outcome:
    """Of one command."""

    status: int
    output: str
    errors: str


def here(*arguments: str) -> Outcome:
    """The command in this process; only ``SystemExit`` is expected of it."""
    output, errors = io.StringIO(), io.StringIO()
    try:
        with (
            contextlib.chdir(tiny.ROOT),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
            _within(SECONDS),
        ):
            main(arguments)
        status = 0
    except SystemExit as end:
        status = end.code
    return Outcome(status, output.getvalue(), errors.getvalue())


def process(*arguments: str) -> Outcome:
    """The command as a user runs it."""
    done = subprocess.run(
        [sys.executable, "main.py", *arguments],
        cwd=tiny.ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def assert_in_order(outcome: Outcome) -> None:
    """It succeeded, or it ended in status 2 with one line that says why."""
    if outcome.status == 0:
        assert "Traceback" not in outcome.errors, outcome.errors
        return
    assert outcome.status == 2, outcome
    assert re.fullmatch(r"error: [^\n]+\n", outcome.errors), outcome.errors


def assert_harmless(run, folder: Path, *arguments: str) -> Outcome:
    """Runs a command that ends in order, and that changes nothing in a folder if it is refused."""
    before = snapshot(folder)
    outcome = run(*arguments)
    assert_in_order(outcome)
    if outcome.status and not WENT_WRONG.match(outcome.errors):
        assert snapshot(folder) == before, (outcome, arguments)
    return outcome


def snapshot(folder: Path) -> dict[str, str]:
    """Every path below a folder with a digest of its contents; locks are no contents."""
    paths = (path for path in sorted(folder.rglob("*")) if path.name != ".lock")
    return {str(path): _digest(path) for path in paths}


def _digest(path: Path) -> str:
    if path.is_symlink():
        return f"link to {os.readlink(path)}"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"


@contextlib.contextmanager
def _within(seconds: float):
    """Raises in what hangs."""

    def stop(*_):
        raise TimeoutError(f"no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
