"""Signals are deferred while training and raise elsewhere; a second one ends the process."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import tiny

from gradlog.supervisor import SIGNALS
from gradlog.training import Interrupted, defer_signals, raise_on_signal

EACH = pytest.mark.parametrize("signum", SIGNALS)


@pytest.fixture(autouse=True)
def handled():
    """Install the default handlers, whatever started this process."""
    former = {number: signal.getsignal(number) for number in SIGNALS}
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


@EACH
def test_a_deferred_signal_is_reported_and_ends_nothing(signum, capfd):
    with contextlib.suppress(KeyError), defer_signals() as interruption:
        assert interruption.poll(1) is None
        signal.raise_signal(signum)
        assert interruption.poll(2) == signum
        time.sleep(0.1)
        raise KeyError
    line = f"{signum.name}: writing a checkpoint after this step, then leaving; a second signal "
    assert capfd.readouterr().err == f"{line}leaves at once\n"


def test_the_first_signal_decides():
    with contextlib.suppress(KeyError), defer_signals() as interruption:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)  # at the same time: one of them
        assert interruption.poll(1) == signal.SIGTERM
        raise KeyError


def test_a_signal_that_no_step_polled_is_raised_after_the_block():
    with pytest.raises(KeyboardInterrupt), defer_signals():
        signal.raise_signal(signal.SIGINT)


def test_the_former_handlers_are_restored():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with contextlib.suppress(KeyError), defer_signals():
        assert signal.getsignal(signal.SIGTERM) != before[0]
        raise KeyError
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_an_ignored_signal_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with defer_signals() as interruption:
        signal.raise_signal(signal.SIGINT)
        assert interruption.poll(1) is None
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_nothing_changes_in_another_thread():
    seen = []

    def look():
        before = signal.getsignal(signal.SIGTERM)
        with defer_signals() as interruption:
            seen.append((interruption.poll(1), signal.getsignal(signal.SIGTERM) == before))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [(None, True)]


@EACH
def test_the_first_signal_raises_outside_training(signum):
    with pytest.raises(Interrupted, match=r"^interrupted$") as end, raise_on_signal():
        signal.raise_signal(signum)
    assert end.value.signum == signum


def test_hosts_exchange_flags_at_every_tenth_step_and_stop_together(monkeypatch):
    monkeypatch.setattr("gradlog.training.interruption.jax.process_count", lambda: 2)
    asked = []

    def another_host_has_it(flag):
        asked.append(flag)
        return True

    with defer_signals(another_host_has_it) as interruption:
        found = [interruption.poll(step) for step in range(7, 12)]
    assert found == [None, None, None, signal.SIGTERM, None]
    assert asked == [False]


# Like a compiler, this keeps the main thread outside Python, so that no handler runs. A second
# thread prints a line when the main thread has begun to compute.
SCRIPT = """
import hashlib, sys, threading, time
from gradlog import training

def tell(begun):
    while time.process_time() < begun + 0.3:
        time.sleep(0.01)
    print("ready", flush=True)

try:
    with getattr(training, sys.argv[1])():
        threading.Thread(target=tell, args=[time.process_time()], daemon=True).start()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
finally:
    print("left in order", flush=True)
"""


@pytest.mark.parametrize("context", ["defer_signals", "raise_on_signal"])
def test_a_second_signal_ends_the_process_at_once(context):
    """The main thread waits in a library that never runs Python's handlers."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, context],
        cwd=tiny.ROOT,
        env={**os.environ, "PYTHONPATH": str(tiny.ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=20)
        assert process.returncode == 128 + signal.SIGTERM
        assert output == ""
        assert "a second signal leaves at once" in errors
    finally:
        process.kill()


@EACH
def test_an_interruption_that_a_callback_swallows_is_raised_again(signum):
    """Finalizers swallow exceptions, and so does JAX's callback of the garbage collector."""
    deleted = []

    class Swallows:
        def __del__(self):
            deleted.append(True)
            signal.raise_signal(signum)
            time.sleep(0)  # here it is raised, and only printed

    def run():
        Swallows()
        for _ in range(1000):
            time.sleep(0.001)

    with pytest.raises(Interrupted) as end, raise_on_signal():
        run()
    assert deleted == [True]
    assert end.value.signum == signum
