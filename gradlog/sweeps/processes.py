"""Processes of ``main.py`` that are told together to leave, and that do not outlive this one."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from gradlog.supervisor import mortal

# Of a cluster that is about to stop a job: for the process that waits, not for its children.
_NOT_FOR_CHILDREN = (signal.SIGUSR1, signal.SIGUSR2)


class LeavingError(Exception):
    """All processes were asked to leave: what was to be done is not."""


@dataclass
class Processes:
    """Those that run now."""

    _running: set[subprocess.Popen] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)  # a signal comes any time
    _leaving: bool = False

    def run(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> int:
        """Runs ``main.py`` to its end, and gives its exit status.

        Args:
          command: the program and its arguments.
          log: a file to which what it says is added.
          environment: beside this process's own.

        Raises:
          LeavingError: ``leave`` was called before it had ended well.
        """
        with log.open("ab") as file:
            process = self._start([sys.executable, *command], file, environment)
            try:
                status = process.wait()
            finally:
                with self._lock:
                    self._running.discard(process)
        if status and self._leaving:
            raise LeavingError
        return status

    def _start(
        self, command: list[str], file: IO[bytes], environment: Mapping[str, str]
    ) -> subprocess.Popen:
        with self._lock:
            if self._leaving:
                raise LeavingError
            # A child is born with the signals blocked that its parent blocks.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, _NOT_FOR_CHILDREN)
            try:
                process = subprocess.Popen(
                    command,
                    env={**os.environ, **environment, **mortal()},
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # else Ctrl-C would reach it twice
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            self._running.add(process)
            return process

    def leave(self) -> None:
        """Asks all to leave: training writes a checkpoint first, evaluation keeps its batches."""
        with self._lock:
            self._leaving = True
            for process in self._running:
                process.send_signal(signal.SIGTERM)

    def wait(self) -> None:
        """Returns when none runs any more; also in a signal's handler that interrupts ``run``."""
        with self._lock:
            running = list(self._running)
        for process in running:
            with contextlib.suppress(ChildProcessError):  # it is gone, and its status was read
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
