"""Run the command line: ``gradlog``, ``python main.py`` or ``python -m gradlog``.

Exit status: 0 after success; 2 after a mistake, a damaged file or a number that is not finite, with
one line on standard error; 129 after SIGHUP, 130 after SIGINT (Ctrl-C) and 143 after SIGTERM, when
training has written a checkpoint and everything else has ended in order. A second such signal ends
the process at once, with the same status. With several hosts 75 when another one was lost: the same
command on all of them resumes.
"""

import contextlib
import faulthandler
import glob
import os
import re
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from gradlog import supervisor, terminal
from gradlog.cli.flags import Options, load_with_overrides, read_config, read_flags
from gradlog.cli.modes import MODES, announce
from gradlog.config_error import UsageError, UserError

_SAME_ON_ALL_HOSTS = ("mode", "steps", "against", "source", "summary")
# JAX's warning of a stored program that cannot be read; it names the function.
_DAMAGED = re.compile(r"Error reading persistent compilation cache entry for '(.+?)': (\w+)")


def run() -> None:
    """Run the command line of this process; with several hosts in a supervised child process."""
    terminal.open_standard_streams()
    for number in supervisor.SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            # Until training or evaluation handles it, a signal finds nothing worth saving.
            signal.signal(number, lambda signum, frame: os._exit(128 + signum))
    with contextlib.suppress(OSError, ValueError):  # standard error is not a file
        faulthandler.enable()
    options = _read(sys.argv[1:])
    workdir = Path(options.workdir).expanduser() if options.several_hosts else None
    supervisor.supervise(lambda: execute(options), workdir)


def main(arguments: Sequence[str]) -> None:
    """Run one command line in this process.

    Args:
      arguments: its words, without the program's name.

    Raises:
      SystemExit: with the status, unless it is 0.
    """
    execute(_read(arguments))


def _read(arguments: Sequence[str]) -> Options:
    try:
        return read_flags(arguments)
    except UserError as error:
        _fail(str(error))


def execute(options: Options) -> None:
    """Show the help, or run the mode.

    Raises:
      SystemExit: with the status, unless it is 0.
    """
    # Before equinox is imported; see ode/runge_kutta.py. A failed check makes the result NaN, which
    # is reported for each example.
    os.environ.setdefault("EQX_ON_ERROR", "nan")
    # Pillow would warn about a damaged image before the one line of our error.
    warnings.filterwarnings("ignore", module="PIL")
    mode = MODES[options.mode]
    try:
        if options.topic is not None:
            from gradlog.cli.help import show_help

            file = options.config_file
            show_help(options.topic, load_with_overrides(file, options.overrides) if file else None)
            return
        options.check()
        options = read_config(options)
        if not options.several_hosts:  # they would all say it
            announce(options)
        if mode.run is None:
            from gradlog.cli import completion, experiments

            if options.mode == "configs":
                experiments.show_experiments(options)
            else:
                completion.print_completion_script()
            return
        with prepared_devices(options):
            mode.run(options)
    except KeyboardInterrupt as error:
        signum = getattr(error, "signum", signal.SIGINT)
        terminal.complain(f"{str(error) or 'interrupted'}; {mode.resumes}")
        raise SystemExit(128 + signum) from None
    except (UserError, OSError, MemoryError) as error:
        _fail(str(error) or type(error).__name__)


@contextlib.contextmanager
def prepared_devices(options: Options) -> Iterator[None]:
    """Join the other hosts and prepare the devices that the mode needs; raise on a signal.

    Raises:
      UsageError: JAX finds no device.
      HostError: the other hosts cannot be reached, or have another command line.
    """
    try:
        import jax
    except ValueError as error:  # of a variable of the environment
        raise UsageError(f"JAX cannot start: {error}") from error
    from absl import logging

    from gradlog.compilation_cache import store_compiled_programs
    from gradlog.distributed import Hosts, check_agreement
    from gradlog.training import raise_on_signal

    # The notes of JAX and other libraries are not for the user.
    logging.use_absl_handler()
    logging.set_verbosity(logging.WARNING)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    with raise_on_signal(), as_memory_error(), replacing_damaged_programs():
        Hosts(
            options.distributed,
            options.coordinator,
            options.num_hosts,
            options.host,
            options.join_seconds,
            options.heartbeat_seconds,
        ).join()
        if not MODES[options.mode].computes:
            jax.config.update("jax_platforms", "cpu")
        try:
            jax.devices()
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0] if str(error) else "no such platform is installed"
            platforms = os.environ.get("JAX_PLATFORMS", "")
            raise UsageError(
                f"JAX finds no device that it can use (JAX_PLATFORMS={platforms!r}): {reason}"
            ) from error
        check_agreement({f"--{name}": getattr(options, name) for name in _SAME_ON_ALL_HOSTS})
        store_compiled_programs()
        yield


@contextlib.contextmanager
def as_memory_error() -> Iterator[None]:
    """Raise MemoryError when the devices run out of memory."""
    import jax

    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise MemoryError(
            "the devices have too little memory; choose a smaller batch_size "
            f"({str(error).splitlines()[0]})"
        ) from error


@contextlib.contextmanager
def replacing_damaged_programs() -> Iterator[None]:
    """Delete a stored program that a killed process or a full disk has left in part.

    JAX warns of it and compiles it again, but never replaces an entry of its cache. The warning
    comes before the program is stored, and names its function: all entries of that name are
    deleted.
    """
    import jax

    def show(message: Any, *arguments: Any, **options: Any) -> None:
        found = _DAMAGED.match(str(message))
        if not found:
            former(message, *arguments, **options)
            return
        folder = Path(jax.config.jax_compilation_cache_dir)  # pyright: ignore
        for path in folder.glob(f"{glob.escape(found[1])}-*-cache"):
            with contextlib.suppress(OSError):
                path.unlink()
        terminal.say(f"note: a program in {folder} is damaged ({found[2]}); it is compiled again")

    with warnings.catch_warnings():
        warnings.filterwarnings("always", message="Error reading persistent compilation cache")
        former, warnings.showwarning = warnings.showwarning, show
        yield


def _fail(message: str) -> NoReturn:
    """Print one line, and end with status 2."""
    terminal.complain(f"error: {' '.join(message.split())}")
    raise SystemExit(2)
