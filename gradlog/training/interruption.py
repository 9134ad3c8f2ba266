"""Signals that end a run: the first one in order, a second one at once.

They are SIGTERM, SIGINT (Ctrl-C) and SIGHUP, which a process gets when its terminal closes.
"""

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

from gradlog import terminal
from gradlog.supervisor import SIGNALS

_SAME_SECONDS = 0.3  # `timeout`, for one, sends its signal to a process and again to its group
_AGAIN_SECONDS = 0.05  # a callback that swallows the exception is over by then
_STEPS_TO_AGREE = 10  # several hosts exchange their flags so often


class Interrupted(KeyboardInterrupt):
    """A signal asked the program to stop."""

    def __init__(self, signum: int, step: int | None = None):
        """Make the error; a step means that training stopped and saved this step."""
        super().__init__("interrupted" if step is None else f"interrupted at step {step}")
        self.signum = signum


class Interruption:
    """A record of whether a signal asked training to stop.

    Args:
      any_host: returns whether a flag is set on any host, because all hosts stop together.
    """

    def __init__(self, any_host: Callable[[bool], bool] = bool):
        self._any_host = any_host
        self.signum: int | None = None

    def poll(self, step: int) -> int | None:
        """Return the signal, or None. Every host must call this at every step."""
        if jax.process_count() > 1:
            if step % _STEPS_TO_AGREE or not self._any_host(self.signum is not None):
                return None
            return self.signum or signal.SIGTERM
        return self.signum

    def notice(self, signum: int, frame: object = None) -> None:
        """Handle a signal: remember the first one."""
        self.signum = self.signum or signum


@contextlib.contextmanager
def defer_signals(any_host: Callable[[bool], bool] = bool) -> Iterator[Interruption]:
    """Record a signal inside the block; a second one ends the process.

    A signal that no step has polled is raised again after the block. Nothing changes outside the
    main thread, where Python handles no signals, and for signals that are ignored.
    """
    interruption = Interruption(any_host)
    with _handle(interruption.notice, "writing a checkpoint after this step, then leaving"):
        yield interruption
    if interruption.signum is not None:
        signal.raise_signal(interruption.signum)


@contextlib.contextmanager
def raise_on_signal() -> Iterator[None]:
    """Raise Interrupted inside the block on a signal; a second one ends the process."""
    seen = []

    def leave(signum: int, frame: object) -> None:
        seen.append(signum)
        if len(seen) == 1:
            raise Interrupted(signum)

    former = sys.unraisablehook

    def raise_again(unraisable: Any) -> None:
        # A callback, such as JAX's of the garbage collector, swallows exceptions.
        if isinstance(unraisable.exc_value, Interrupted):
            arguments = (threading.get_ident(), unraisable.exc_value.signum)
            later = threading.Timer(_AGAIN_SECONDS, _raise_in_thread, arguments)
            later.daemon = True
            later.start()
        else:
            former(unraisable)

    with _handle(leave, "leaving"):
        sys.unraisablehook = raise_again
        try:
            yield
        finally:
            sys.unraisablehook = former


def _raise_in_thread(thread: int, signum: int) -> None:
    """Raise Interrupted in another thread. Python takes a class there and makes the instance."""
    members = {"__init__": lambda self: None, "signum": signum}
    of_signal = type("Interrupted", (Interrupted,), members)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(of_signal))


@contextlib.contextmanager
def _handle(handler: Callable[[int, Any], None], action: str) -> Iterator[None]:
    """Install a handler of the signals, print the action on the first, and exit on a second.

    A second signal must also count while Python waits for a compiler or a device. So a thread reads
    the numbers of signals that the kernel delivers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.getsignal(number) for number in SIGNALS}
    handled = [number for number, before in former.items() if before is not signal.SIG_IGN]
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    former_fd = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    thread = threading.Thread(target=_watch, args=(reading, handled, action), daemon=True)
    thread.start()
    try:
        for number in handled:
            signal.signal(number, handler)
        try:
            yield
        finally:
            for number in handled:
                signal.signal(number, former[number] or signal.SIG_DFL)
    finally:
        signal.set_wakeup_fd(former_fd)
        writing.close()
        thread.join()
        reading.close()


def _watch(reading: socket.socket, handled: list[signal.Signals], action: str) -> None:
    """Read the numbers of delivered signals until the other end is closed."""
    first = None
    while number := reading.recv(1):
        now = time.monotonic()
        if number[0] not in handled:
            continue
        if first is None:
            first = now
            name = signal.Signals(number[0]).name
            terminal.complain(f"{name}: {action}; a second signal leaves at once")
        elif now - first > _SAME_SECONDS:
            os._exit(128 + number[0])
