"""The parent of a host's work: it says what ended the work where the work itself cannot.

A process that has lost another host is ended by JAX from C++: without an exception, and without a
word that a user could use. So where several hosts work together each of them is two processes: the
work, and a small parent, which passes signals on, waits, and has the last word.
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
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

LOST = 75  # exit status (EX_TEMPFAIL): another host was lost; the same command goes on
_PARENT, _PIPE = "GRADLOG_PARENT", "GRADLOG_PIPE"  # what a child is told by its environment
_PASSED_ON = (signal.SIGTERM, signal.SIGINT)
_ORDERLY = (0, 2, *(128 + signum for signum in _PASSED_ON))
_PR_SET_PDEATHSIG = 1
# "E1121 11:55:18.426557    3938 client.h:80] ...", and what is printed after an F line.
_CPP_LINE = re.compile(rb"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ \S+:\d+\] ")
_OURS = (b"error:", b"warning:", b"note:", b"interrupted", b"Traceback")
_AT_ONCE_SECONDS = 0.05
_LOSS = re.compile(
    r"gloo|nccl|coordination|heartbeat|connection (closed|reset|refused)|broken pipe|"
    r"socket closed|unavailable|peer",
    re.IGNORECASE,
)
_leave: list[Callable[[], None]] = []  # what a child does before it leaves the others in the lurch


@dataclass(frozen=True)
class Place:
    """Where this host works."""

    workdir: Path


def supervised(work: Callable[[], object], place: Place | None) -> None:
    """Does the work; under a parent of its own if there is a place, that is, several hosts.

    Ends the process with the status of the work, or with ``LOST`` where another host was lost or
    the work was killed.
    """
    parent = os.environ.pop(_PARENT, "")  # not for processes that the work starts
    if parent.isdecimal():
        _as_child(work, int(parent))
    elif place is None:
        work()
    else:
        raise SystemExit(_Parent(place).run())


def mortal() -> dict[str, str]:
    """Of the environment of a ``main.py`` that is started as a child: it dies with its parent."""
    return {_PARENT: str(os.getpid())}


def joined(host: int, leave: Callable[[], None]) -> None:
    """Tells the parent that all hosts are there, and which of them this one is.

    Args:
      host: its number.
      leave: called before an end in failure.
    """
    _leave.append(leave)
    if _PIPE in os.environ:
        with contextlib.suppress(OSError):
            os.write(int(os.environ[_PIPE]), str(host).encode())


def _as_child(work: Callable[[], object], parent: int) -> None:
    _die_with(parent)
    try:
        work()
    except SystemExit as end:
        if end.code:
            _end(end.code if isinstance(end.code, int) else 1)
        raise
    except BaseException as error:
        if _is_loss(error):
            _end(LOST)
        traceback.print_exc()
        _end(1)


def _end(status: int) -> NoReturn:
    """Leaves without JAX's farewell, which waits for the other hosts, and they for this one."""
    if status != LOST:
        for leave in _leave:
            leave()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _is_loss(error: BaseException) -> bool:
    """Whether a computation over all hosts failed because one of them was gone."""
    ours = type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError")
    return ours and bool(_leave) and bool(_LOSS.search(str(error)))


def _die_with(parent: int) -> None:
    """No child outlives its parent: nobody would wait for it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_poll, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os._exit(1)


def _poll(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


@dataclass
class _Parent:
    """Runs the command again as a child, and says how that ended."""

    place: Place
    child: subprocess.Popen | None = None
    passed_on: list[int] = field(default_factory=list)
    # The last lines of JAX's own log, which is not the user's.
    log: deque[bytes] = field(default_factory=lambda: deque(maxlen=200))

    def run(self) -> int:
        """The exit status."""
        for signum in _PASSED_ON:
            signal.signal(signum, self._pass_on)
        reading, writing = os.pipe()
        self.child = subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:]],
            env=os.environ | {_PARENT: str(os.getpid()), _PIPE: str(writing)},
            stderr=subprocess.PIPE,
            pass_fds=(writing,),
            start_new_session=True,  # else Ctrl-C would reach it twice
        )
        os.close(writing)
        for signum in list(self.passed_on):
            self.child.send_signal(signum)
        self._show(self.child.stderr)
        status = self.child.wait()
        with os.fdopen(reading, "rb") as told:
            return self._ended(status, told.read().decode())

    def _pass_on(self, signum: int, frame: FrameType | None) -> None:
        del frame
        self.passed_on.append(signum)
        if self.child is not None:
            self.child.send_signal(signum)

    def _show(self, stream: IO[bytes] | None) -> None:
        """Passes on what the child says, but for JAX's log, until it has ended."""
        fatal, logged = False, -math.inf
        for line in stream or ():
            now, begins = time.monotonic(), bool(_CPP_LINE.match(line))
            fatal = fatal or (begins and line.startswith(b"F"))
            # An entry of several lines comes all at once.
            goes_on = now - logged < _AT_ONCE_SECONDS and not line.startswith(_OURS)
            if fatal or begins or goes_on:
                logged = now
                self.log.append(line)
            else:
                sys.stderr.buffer.write(line)
                sys.stderr.buffer.flush()

    def _ended(self, status: int, host: str) -> int:
        """What the parent ends with; the child had joined the others where its number is known."""
        killed_by = -status if status < 0 else None
        if killed_by in self.passed_on:  # before it could handle it
            return 128 + killed_by
        if status in _ORDERLY:
            return status
        if status != LOST and killed_by is None:
            sys.stderr.buffer.write(b"".join(self.log))
            return status
        aborted = killed_by == signal.SIGABRT and bool(self.log)
        if aborted and not host:
            self._say(
                "the hosts did not all come together in time: start the same command on every "
                "host, each with its own --host; can they reach the coordinator?"
            )
            return 2
        kept = self._keep_log(host)
        if status == LOST or aborted:
            what = (
                f"host {host} lost touch with another host, which has ended, was "
                "killed or cannot be reached (its own terminal says more)"
            )
        else:
            name = signal.Signals(killed_by or signal.SIGABRT).name
            what = f"the work of host {host} was ended by {name}, of which memory that "
            what += "ran out and a cluster's scheduler are the usual causes"
        self._say(f"{what}; {self._resume()}{kept}")
        return LOST

    def _resume(self) -> str:
        step = newest_checkpoint(self.place.workdir)
        if step is None:
            return "there is no checkpoint yet: the same command on every host begins again"
        return (
            f"the newest checkpoint in {self.place.workdir} is that of step {step}: the same "
            "command on every host goes on from what is finished"
        )

    def _keep_log(self, host: str) -> str:
        """Writes JAX's last lines beside the run, where there is one."""
        path = self.place.workdir / f"lost-host-{host}.log"
        if not self.log or not self.place.workdir.is_dir():
            return ""
        try:
            path.write_bytes(b"".join(self.log))
        except OSError:
            return ""
        return f"; what JAX said is in {path}"

    @staticmethod
    def _say(line: str) -> None:
        print(f"error: {line}", file=sys.stderr, flush=True)


def newest_checkpoint(workdir: Path) -> int | None:
    """The newest step that has a checkpoint, by name."""
    folders = workdir.glob("checkpoints/*/manifest.json")
    return max((int(f.parent.name) for f in folders if f.parent.name.isdecimal()), default=None)
