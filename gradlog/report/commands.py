"""Commands as a shell reads them."""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def command(workdir: Path | str, *flags: str) -> str:
    """``python main.py --workdir=... ...`` on one line."""
    return shlex.join(["python", "main.py", f"--workdir={workdir}", *flags])


def over_lines(workdir: str, flags: Iterable[str], overrides: Iterable[str]) -> str:
    """The same with a line for each override."""
    return " \\\n    ".join([command(workdir, *flags), *map(shlex.quote, overrides)])


def overrides_of(settings: Iterable[tuple[str, Any]]) -> list[str]:
    """``--config.key=value`` for each."""
    return [f"--config.{name}={_value(value)}" for name, value in settings]


def _value(value: Any) -> str:
    if isinstance(value, tuple) and value and all(isinstance(item, str) for item in value):
        return ",".join(value)
    return str(value)
