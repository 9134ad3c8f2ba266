"""Numbers and shell commands as the pages print them."""

import math
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gradlog.sweeps.runs import flag_value

NOTHING = "–"
_MINUS = "−"


def format_number(value: float | None, digits: int = 4) -> str:
    """Format a number with so many decimals; a dash for a missing or non-finite one."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.{digits}f}".replace("-", _MINUS)


def format_short(value: float | None) -> str:
    """Format a number with three significant digits."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.3g}".replace("-", _MINUS)


def format_with_error(value: float | None, error: float | None, digits: int = 4) -> str:
    """Format a number with its standard error, such as ``1.8141 ± 0.0139``."""
    return f"{format_number(value, digits)} ± {format_number(error, digits)}"


def format_interval(interval: Mapping[str, Any] | None, digits: int = 4) -> str:
    """Format an interval, such as ``1.7868 to 1.8414``; a dash for a missing one."""
    if not interval or interval.get("low") is None or interval.get("high") is None:
        return NOTHING
    return f"{format_number(interval['low'], digits)} to {format_number(interval['high'], digits)}"


def format_count(good: int, failed: int) -> str:
    """Format the number of images in a mean, such as ``39 of 40`` if one failed."""
    return f"{good} of {good + failed}" if failed else str(good)


def format_share(value: float | None) -> str:
    """Format a fraction, such as ``63 %``."""
    return NOTHING if value is None else f"{100 * value:.0f}\u202f%"


def format_seconds(value: float | None) -> str:
    """Format a time: ``0.021 s``, ``2 min 5 s``, ``3 h 20 min``. Below a millisecond it is 0 s."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value < 60:
        return f"{value:.3g} s" if value >= 1e-3 else "0 s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left} min" if hours else f"{minutes} min {seconds} s"


def format_command(workdir: Path | str, *flags: str, overrides: Iterable[str] = ()) -> str:
    """Format a call of ``main.py`` for a shell, with each override on its own line."""
    command = shlex.join(["python", "main.py", f"--workdir={workdir}", *flags])
    return " \\\n    ".join([command, *map(shlex.quote, overrides)])


def format_overrides(settings: Iterable[tuple[str, Any]]) -> list[str]:
    """Format settings as ``--config.key=value``."""
    return [f"--config.{key}={flag_value(value)}" for key, value in settings]
