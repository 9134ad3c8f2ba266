"""The parent process of a host's work, which reports how the work ended.

When a host loses another host, JAX ends its process from C++: without an exception, and without a
message for the user. So with several hosts each host runs two processes: a child that does the
work, and a small parent that passes on signals, waits, and prints the last message. This file
imports no JAX, so that the parent stays small and starts at once.
"""

import contextlib
import ctypes
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

LOST = 75  # exit status (EX_TEMPFAIL): another host was lost; the same command resumes
_PARENT, _PIPE = "GRADLOG_PARENT", "GRADLOG_PIPE"  # environment variables of the child
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # that end a run in order
_ORDERLY = (0, 2, *(128 + signum for signum in SIGNALS))
_PR_SET_PDEATHSIG = 1
# "E1121 11:55:18.426557    3938 client.h:80] ...". After an F line, JAX prints a stack trace.
_CPP_LINE = re.compile(rb"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ \S+:\d+\] ")
_OURS = (b"error:", b"warning:", b"note:", b"interrupted", b"Traceback")
_AT_ONCE_SECONDS = 0.05
_LOSS = re.compile(
    r"gloo|nccl|coordination|heartbeat|connection (closed|reset|refused)|broken pipe|"
    r"socket closed|unavailable|peer",
    re.IGNORECASE,
)
_leave: list[Callable[[], None]] = []  # called before a child ends in failure


def supervise(work: Callable[[], object], workdir: Path | None) -> None:
    """Run the work, in a child process if there are several hosts.

    Without a workdir the work runs in this process. Otherwise this process ends with the status of
    the child, or with ``LOST`` if another host was lost or the child was killed.

    Args:
      work: the work of this host.
      workdir: the run's folder if there are several hosts; None for one host.
    """
    parent = os.environ.pop(_PARENT, "")  # processes that the work starts must not see it
    if parent.isdecimal():
        _run_as_child(work, int(parent))
    elif workdir is None:
        work()
    else:
        raise SystemExit(_Parent(workdir).run())


def child_environment() -> dict[str, str]:
    """Return environment variables for a ``main.py`` that must die with this process."""
    return {_PARENT: str(os.getpid())}


def report_joined(host: int, leave: Callable[[], None]) -> None:
    """Tell the parent that all hosts have joined.

    Args:
      host: number of this host.
      leave: called before the child ends in failure.
    """
    _leave.append(leave)
    if _PIPE in os.environ:
        with contextlib.suppress(OSError):
            os.write(int(os.environ[_PIPE]), str(host).encode())


def find_newest_checkpoint(workdir: Path) -> int | None:
    """Return the newest step with a checkpoint. It looks at names only."""
    folders = workdir.glob("checkpoints/*/manifest.json")
    return max((int(f.parent.name) for f in folders if f.parent.name.isdecimal()), default=None)


# --- the child ------------------------------------------------------------------------------


def _run_as_child(work: Callable[[], object], parent: int) -> None:
    # A child must not outlive its parent: nobody would wait for it.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os._exit(1)
    try:
        work()
    except SystemExit as end:
        if end.code:
            _end(end.code if isinstance(end.code, int) else 1)
        raise
    except BaseException as error:
        # Whether a computation over all hosts failed because one of them was gone.
        failed = type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError")
        if failed and _leave and _LOSS.search(str(error)):
            _end(LOST)
        traceback.print_exc()
        _end(1)


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _end(status: int) -> NoReturn:
    """End the process without JAX's shutdown, in which hosts would wait for each other."""
    if status != LOST:
        for leave in _leave:
            leave()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


# --- the parent -----------------------------------------------------------------------------


class _Parent:
    """Runs the command again as a child, and reports how the child ended."""

    def __init__(self, workdir: Path):
        self._workdir = workdir
        self._child: subprocess.Popen | None = None
        self._passed_on: list[int] = []
        self._log: deque[bytes] = deque(maxlen=200)  # the last lines of JAX's own log

    def run(self) -> int:
        """Return the exit status."""
        for signum in SIGNALS:
            signal.signal(signum, self._pass_on)
        reading, writing = os.pipe()
        self._child = subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:]],
            env=os.environ | {_PARENT: str(os.getpid()), _PIPE: str(writing)},
            stderr=subprocess.PIPE,
            pass_fds=(writing,),
            start_new_session=True,  # otherwise Ctrl-C would reach it twice
        )
        os.close(writing)
        for signum in list(self._passed_on):
            self._child.send_signal(signum)
        self._show(self._child.stderr)
        status = self._child.wait()
        with os.fdopen(reading, "rb") as pipe:
            return self._report(status, pipe.read().decode())

    def _pass_on(self, signum: int, frame: FrameType | None) -> None:
        del frame
        self._passed_on.append(signum)
        if self._child is not None:
            self._child.send_signal(signum)

    def _show(self, stream: IO[bytes] | None) -> None:
        """Print the child's errors until it ends. Lines of JAX's log are only stored."""
        fatal, logged = False, -math.inf
        for line in stream or ():
            now, begins = time.monotonic(), bool(_CPP_LINE.match(line))
            fatal = fatal or (begins and line.startswith(b"F"))
            # The lines of one log entry arrive all at once.
            continues = now - logged < _AT_ONCE_SECONDS and not line.startswith(_OURS)
            if fatal or begins or continues:
                logged = now
                self._log.append(line)
            else:
                _write_errors(line)

    def _report(self, status: int, host: str) -> int:
        """Print how the child ended, and return the parent's exit status.

        Args:
          status: the child's exit status, or minus the signal that ended it.
          host: number of this host; '' if the hosts had not joined yet.
        """
        killed_by = -status if status < 0 else None
        if killed_by in self._passed_on:  # before the child could handle it
            return 128 + killed_by
        if status in _ORDERLY:
            return status
        if status != LOST and killed_by is None:
            _write_errors(b"".join(self._log))
            return status
        aborted = killed_by == signal.SIGABRT and bool(self._log)
        if aborted and not host:
            _print_error(
                "the hosts did not all come together in time: start the same command on every "
                "host, each with its own --host; can they reach the coordinator?"
            )
            return 2
        if status == LOST or aborted:
            what = (
                f"host {host} lost touch with another host, which has ended, was "
                "killed or cannot be reached (its own terminal says more)"
            )
        else:
            name = signal.Signals(killed_by or signal.SIGABRT).name
            what = f"the work of host {host} was ended by {name}; the usual causes are memory that "
            what += "ran out and a cluster's scheduler"
        step = find_newest_checkpoint(self._workdir)
        if step is None:
            advice = "there is no checkpoint yet: the same command on every host begins again"
        else:
            advice = (
                f"the newest checkpoint in {self._workdir} is that of step {step}: the same "
                "command on every host resumes from it"
            )
        _print_error(f"{what}; {advice}{self._store_log(host)}")
        return LOST

    def _store_log(self, host: str) -> str:
        """Write JAX's last lines into the workdir, if it exists. Return a note for the user."""
        path = self._workdir / f"lost-host-{host}.log"
        if not self._log or not self._workdir.is_dir():
            return ""
        try:
            path.unlink(missing_ok=True)  # a link of this name must not be followed
            path.write_bytes(b"".join(self._log))
        except OSError:
            return ""
        return f"; JAX's own messages are in {path}"


def _print_error(line: str) -> None:
    _write_errors(f"error: {line}\n".encode(errors="backslashreplace"))


def _write_errors(text: bytes) -> None:
    # If its terminal is closed, the parent must still wait for the child.
    with contextlib.suppress(OSError):
        sys.stderr.buffer.write(text)
        sys.stderr.buffer.flush()
