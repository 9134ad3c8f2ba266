"""Several processes of main.py on this machine that work together as hosts do."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import tiny

SECONDS = 240  # in which a command must have ended


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def start(*flags: str, script: str = "main.py") -> subprocess.Popen:
    """Start main.py in the repository's root and capture its output."""
    return subprocess.Popen(
        [sys.executable, str(tiny.ROOT / script), *flags],
        cwd=tiny.ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": f"{tiny.ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_hosts(*flags: str, count: int = 2, own=lambda host: ()) -> list[subprocess.Popen]:
    """Start main.py for each host; ``own`` returns further flags of one host."""
    together = (f"--coordinator=localhost:{free_port()}", f"--num_hosts={count}")
    return [start(*flags, *together, f"--host={host}", *own(host)) for host in range(count)]


def start_work(*arguments: str) -> list[subprocess.Popen]:
    """Start host_work.py as two hosts."""
    port = str(free_port())
    return [start(port, str(host), *arguments, script="tests/host_work.py") for host in (0, 1)]


def finish(processes: list[subprocess.Popen], seconds: float = SECONDS) -> list[tuple[int, str]]:
    """Return exit status and standard error of each process. None is left running."""
    try:
        errors = [process.communicate(timeout=seconds)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(p.returncode, error) for p, error in zip(processes, errors, strict=True)]


def run(*flags: str, count: int = 1) -> None:
    """Run a command to its end on one host or more. It must succeed."""
    succeed([start(*flags)] if count == 1 else start_hosts(*flags, count=count))


def succeed(processes: list[subprocess.Popen]) -> None:
    """Wait until all processes have succeeded."""
    for status, errors in finish(processes):
        assert status == 0, errors[-3000:]


def config_file(folder: Path, config) -> str:
    """Write a file whose get_config() returns the configuration."""
    path = folder / "two_hosts_config.py"
    path.write_text(
        "from ml_collections import ConfigDict\n"
        f"def get_config():\n    return ConfigDict({config.to_dict()!r})\n"
    )
    return f"--config={path}"
