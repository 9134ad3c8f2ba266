"""Load configurations: from a file of Python, or from what a run saved in its workdir."""

import contextlib
import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from gradlog.aliases import modern_settings
from gradlog.configs import default
from gradlog.experiment.keys import PROCESS_DEFAULTS, flatten
from gradlog.experiment.schema import ConfigFileError, find_problem

SHIPPED = Path(__file__).parents[1] / "configs"  # in a checkout a link to the folder on top
SECONDS = 60.0  # a file must return its configuration within this time


def load_config(path: str) -> ConfigDict:
    """Return the configuration of a file.

    Args:
      path: ``FILE``, ``FILE:ARGUMENT`` for a ``get_config(argument)``, or the ``config.json`` of a
        workdir. A file ``configs/...`` that does not exist here is one of the shipped experiments.

    Raises:
      ConfigFileError: the file does not exist, does not run, or returns no configuration.
    """
    if path.endswith(".json") and Path(path).is_file():
        return load_saved_config(path)
    file, _, argument = path.partition(":")
    with as_one_line("config", path):
        names = load("config", file)
        config = call("config", file, names, "get_config", *([argument] if argument else []))
    if not isinstance(config, ConfigDict):
        raise ConfigFileError(
            f"--config: get_config() of {file} returns {type(config).__name__}, expected a "
            "ConfigDict"
        )
    if problem := find_problem(config):
        raise ConfigFileError(f"--config={path}: {problem}")
    return config


def load_saved_config(path: str | Path) -> ConfigDict:
    """Return the configuration that a run saved as JSON.

    Keys that are newer than the run have their defaults.

    Raises:
      ConfigFileError: the file cannot be read, or holds no configuration.
    """
    try:
        saved = to_tuples(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigFileError(f"{path} cannot be read: {error}") from error
    if not isinstance(saved, dict):
        raise ConfigFileError(f"{path} is not the configuration of a run: it is no JSON object")
    config = default.get_config()
    values = config.to_dict()
    for section, found in saved.items():
        if isinstance(found, dict) and isinstance(values.get(section), dict):
            named = modern_settings({f"{section}.{name}": value for name, value in found.items()})
            values[section] |= {name.partition(".")[2]: value for name, value in named.items()}
        else:
            values[section] = found
    if problem := find_problem(values):
        raise ConfigFileError(f"{path} is not the configuration of a run: {problem}")
    config.update(values)
    return config


def defaults() -> dict[str, Any]:
    """Return the default of every key by its dotted name, and of the settings of the process.

    A workdir that is older than a key is taken to have been made with its default.
    """
    return {**dict(flatten(default.get_config())), **PROCESS_DEFAULTS}


def to_tuples(value: Any) -> Any:
    """Return a value as JSON reads it with tuples in place of its lists."""
    if isinstance(value, dict):
        return {key: to_tuples(item) for key, item in value.items()}
    return tuple(value) if isinstance(value, list) else value


def load(flag: str, file: str) -> dict[str, Any]:
    """Run a file and return the names that it defines.

    Args:
      flag: the flag that names the file, for messages.
      file: its path.

    Raises:
      ConfigFileError: there is no such file.
      Exception: an error in the file's own code.
    """
    path = find_file(file)
    if path is None:
        raise ConfigFileError(
            f"--{flag}: there is no file {file}; --mode=configs lists the shipped ones"
        )
    names: dict[str, Any] = {"__name__": flag, "__file__": str(path)}
    exec(compile(path.read_bytes(), str(path), "exec"), names)
    return names


def find_file(file: str) -> Path | None:
    """Return the path of a local file, or of the shipped file of that name; None without either."""
    local = Path(file)
    if local.is_file():
        return local
    shipped = SHIPPED.parent / file
    inside = local.parts[:1] == (SHIPPED.name,) and ".." not in local.parts
    return shipped if inside and shipped.is_file() else None


def call(flag: str, file: str, names: dict[str, Any], function: str, *arguments: str) -> Any:
    """Call a function that a file defines.

    Raises:
      ConfigFileError: the file has no such function.
      Exception: an error in the function.
    """
    if function not in names:
        raise ConfigFileError(f"--{flag}: {file} has no function {function}()")
    return names[function](*arguments)


@contextlib.contextmanager
def as_one_line(flag: str, path: str) -> Iterator[None]:
    """Turn errors of a file's own code, and a timeout, into one line.

    Raises:
      ConfigFileError: names the flag and the file.
    """
    try:
        with _time_limit(SECONDS):
            yield
    except ConfigFileError:
        raise
    except (Exception, SystemExit) as error:  # the user's code can raise anything
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise ConfigFileError(f"--{flag}={path}: {reason}") from error


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in code that takes longer; only the main thread can have a limit."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_):
        raise TimeoutError(f"it is not done after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    remaining = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *remaining)
        signal.signal(signal.SIGALRM, before)
