"""Work of all kinds under a supervisor, by name: `supervised_work.py WORKDIR KIND [FILE]`."""

import os
import signal
import sys
import time
from pathlib import Path

from gradlog import supervisor

LOG = b"1121 11:55:18.426557    3938 client.h:80] "


class JaxRuntimeError(RuntimeError):
    """An error with the name of a failed computation's."""


def log(level: bytes, text: bytes) -> None:
    os.write(2, level + LOG + text)


def aborted() -> None:
    log(b"E", b"tasks have failed:\n0\n1\nThe tasks have crashed.\n")
    log(b"F", b"Terminating process because of fatal errors.\n\nRPC: /xla\n*** Check failure\n")
    os.abort()


def joined(then) -> None:
    supervisor.report_joined(1, lambda: print("left", flush=True))
    then()


def waits() -> None:
    """Wait for a signal, and print each that arrives."""
    received = []

    def count(signum, _) -> None:
        received.append(signum)

    for signum in supervisor.SIGNALS:
        signal.signal(signum, count)
    Path(sys.argv[3]).write_text(str(os.getpid()))
    while not received:
        time.sleep(0.01)
    time.sleep(0.3)
    print("signals", received, flush=True)
    raise SystemExit(128 + received[0])


def imports() -> None:
    """Wait without a handler of signals, as work that still imports."""
    for signum in supervisor.SIGNALS:
        signal.signal(signum, signal.SIG_DFL)
    Path(sys.argv[3]).write_text(str(os.getpid()))
    time.sleep(60)


def raises(error: Exception) -> None:
    raise error


def speaks() -> None:
    print("out", flush=True)
    log(b"W", b"something of no interest\n")
    print("warning: of interest", file=sys.stderr, flush=True)


KINDS = {
    "speaks": speaks,
    "mistake": lambda: joined(lambda: sys.exit(2)),
    "three": lambda: sys.exit(3),
    "aborts": aborted,
    "joins and aborts": lambda: joined(aborted),
    "killed": lambda: joined(lambda: os.kill(os.getpid(), signal.SIGKILL)),
    "gloo": lambda: joined(lambda: raises(JaxRuntimeError("Gloo all-reduce failed: by peer"))),
    "bug": lambda: joined(lambda: raises(RuntimeError("Gloo is a word"))),
    "waits": waits,
    "imports": imports,
}

if __name__ == "__main__":
    supervisor.supervise(KINDS[sys.argv[2]], Path(sys.argv[1]))
