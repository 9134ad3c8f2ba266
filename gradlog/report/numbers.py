"""Numbers as a reader sees them."""

import math
from collections.abc import Mapping
from typing import Any

NOTHING = "–"
_MINUS = "−"


def number(value: float | None, digits: int = 4) -> str:
    """With so many digits after the point; a dash for none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.{digits}f}".replace("-", _MINUS)


def short(value: float | None) -> str:
    """With three digits that count."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.3g}".replace("-", _MINUS)


def uncertain(value: float | None, error: float | None, digits: int = 4) -> str:
    """``1.8141 ± 0.0139``."""
    return f"{number(value, digits)} ± {number(error, digits)}"


def interval(found: Mapping[str, Any] | None, digits: int = 4) -> str:
    """``1.7868 to 1.8414``; a dash where there is none."""
    if not found or found.get("low") is None or found.get("high") is None:
        return NOTHING
    return f"{number(found['low'], digits)} to {number(found['high'], digits)}"


def of_all(good: int, failed: int) -> str:
    """How many a mean is over, and of how many where some failed: ``39 of 40``."""
    return f"{good} of {good + failed}" if failed else str(good)


def share(value: float | None) -> str:
    """``63 %``."""
    return NOTHING if value is None else f"{100 * value:.0f}\u202f%"


def seconds(value: float | None) -> str:
    """``0.021 s``, ``2 min 5 s``, ``3 h 20 min``; what is less than a millisecond is none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value < 60:
        return f"{value:.3g} s" if value >= 1e-3 else "0 s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left} min" if hours else f"{minutes} min {rest} s"
