"""Files of Python that hold configurations or sweeps: run, with a limit on the time they take."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradlog.experiment.schema import ConfigFileError

SECONDS = 60.0  # in which a file must have said what it holds


def load(flag: str, file: str) -> dict[str, Any]:
    """The names that a file defines.

    Args:
      flag: that names the file, for messages.
      file: its path.

    Raises:
      ConfigFileError: there is no such file.
      Exception: whatever the file's own code raises.
    """
    if not Path(file).is_file():
        raise ConfigFileError(
            f"--{flag}: there is no file {file}; the shipped ones are in configs/"
        )
    namespace: dict[str, Any] = {"__name__": flag, "__file__": file}
    exec(compile(Path(file).read_bytes(), file, "exec"), namespace)
    return namespace


def call(flag: str, file: str, namespace: dict[str, Any], name: str, *arguments: str) -> Any:
    """What a function of a file gives.

    Raises:
      ConfigFileError: the file has no such function.
      Exception: whatever the function raises.
    """
    if name not in namespace:
        raise ConfigFileError(f"--{flag}: {file} has no function {name}()")
    return namespace[name](*arguments)


@contextlib.contextmanager
def told(flag: str, path: str) -> Iterator[None]:
    """Within it what a file raises, or that it is not done in time, becomes one line.

    Raises:
      ConfigFileError: names flag and file.
    """
    try:
        with _within(SECONDS):
            yield
    except ConfigFileError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's own code raises
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise ConfigFileError(f"--{flag}={path}: {reason}") from error


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in what takes longer."""

    def stop(*_):
        raise TimeoutError(f"it is not done after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    remaining = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *remaining)
        signal.signal(signal.SIGALRM, before)
