"""SIGTERM and SIGINT: the way out in order, and at the second at once."""

import contextlib
import ctypes
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax

SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SAME_SECONDS = 0.3  # `timeout`, for one, sends its signal to a process and again to its group
_AGAIN_SECONDS = 0.05  # a callback that swallows is over by then, or swallows once more
_STEPS_TO_AGREE = 10  # several hosts ask each other so often


class Interrupted(KeyboardInterrupt):
    """A signal asked to leave; ``signum`` says which.

    With a step it was training that was left, the state of that step in a checkpoint.
    """

    def __init__(self, signum: int, step: int | None = None):
        super().__init__("interrupted" if step is None else f"interrupted at step {step}")
        self.signum = signum


class Interruption:
    """Whether a signal has asked to leave.

    Args:
      any_host: whether a flag is set on any of the hosts, which leave together.
    """

    def __init__(self, any_host: Callable[[bool], bool] = bool):
        self._any_host = any_host
        self.signum: int | None = None

    def wanted(self, step: int) -> int | None:
        """The signal, once one has come; to be asked at every step, by every host."""
        if jax.process_count() > 1:
            if step % _STEPS_TO_AGREE or not self._any_host(self.signum is not None):
                return None
            return self.signum or signal.SIGTERM
        return self.signum

    def notice(self, signum: int, frame: object = None) -> None:
        """Handles a signal by remembering the first."""
        self.signum = self.signum or signum


@contextlib.contextmanager
def noticed(any_host: Callable[[bool], bool] = bool) -> Iterator[Interruption]:
    """Within it SIGTERM and SIGINT are noticed and nothing else; a second one ends the process.

    Outside the main thread, where Python handles no signals, and for signals that are ignored,
    nothing changes.
    """
    interruption = Interruption(any_host)
    with _handled(interruption.notice, "writing a checkpoint after this step, then leaving"):
        yield interruption
    if interruption.signum is not None:  # it came too late for a step to see it
        signal.raise_signal(interruption.signum)


@contextlib.contextmanager
def unwinding() -> Iterator[None]:
    """Within it the first SIGTERM or SIGINT raises Interrupted; a second one ends the process."""
    seen = []

    def leave(signum: int, frame: object) -> None:
        seen.append(signum)
        if len(seen) == 1:
            raise Interrupted(signum)

    with _handled(leave, "leaving"), _raised_again():
        yield


@contextlib.contextmanager
def _raised_again() -> Iterator[None]:
    """An Interrupted that a callback swallows comes again: JAX's of the garbage collector does."""
    former = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, Interrupted):
            arguments = (threading.get_ident(), unraisable.exc_value.signum)
            later = threading.Timer(_AGAIN_SECONDS, _raise_in, arguments)
            later.daemon = True
            later.start()
        else:
            former(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = former


def _raise_in(thread: int, signum: int) -> None:
    """Raises Interrupted in another thread, which takes a class and makes an instance of it."""
    own = {"__init__": lambda self: None, "signum": signum}
    of_signal = type("Interrupted", (Interrupted,), own)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(of_signal))


@contextlib.contextmanager
def _handled(handler: Callable[[int, Any], None], told: str) -> Iterator[None]:
    """With this handler of the signals; says on the first what is done, and leaves on a second.

    A second signal counts while Python waits for a compiler or a device too: a thread reads what
    the kernel delivers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.getsignal(number) for number in SIGNALS}
    handled = [number for number, before in former.items() if before is not signal.SIG_IGN]
    with _watched(handled, told):
        for number in handled:
            signal.signal(number, handler)
        try:
            yield
        finally:
            for number in handled:
                signal.signal(number, former[number] or signal.SIG_DFL)


@contextlib.contextmanager
def _watched(handled: list[signal.Signals], told: str) -> Iterator[None]:
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    former = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    thread = threading.Thread(target=_watch, args=(reading, handled, told), daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(former)
        writing.close()
        thread.join()
        reading.close()


def _watch(reading: socket.socket, handled: list[signal.Signals], told: str) -> None:
    """Reads the numbers of signals as they are delivered, until the other end is closed."""
    first = None
    while number := reading.recv(1):
        now = time.monotonic()
        if number[0] not in handled:
            continue
        if first is None:
            first = now
            name = signal.Signals(number[0]).name
            print(f"{name}: {told}; a second signal leaves at once", file=sys.stderr, flush=True)
        elif now - first > _SAME_SECONDS:
            os._exit(128 + number[0])
