"""What a configuration must look like before any of its values means something.

It has the keys of ``default.py``, all of them and no other, with values of the same types. What
the values may be is told where they are read.
"""

import difflib
import math
from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from gradlog.configs import default

LARGEST = 2**31  # whole numbers are given to programs of 32 bits
_SEED = "seed"  # whose range its readers know: it is larger


class ConfigFileError(ValueError):
    """A file that holds no configuration: one line that names it."""


def complaint(config: ConfigDict | dict) -> str:
    """What is wrong with the first key that is; '' where the configuration is as it must be."""
    kind = ConfigDict if isinstance(config, ConfigDict) else dict
    return _of_section(config, default.get_config(), "config", kind)


def unknown_key(parent: str, key: Any, known: ConfigDict) -> str:
    """That a section has no such key, with those that it has."""
    near = difflib.get_close_matches(str(key), list(known), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{parent}.{key} is unknown; {hint}{parent} has {sorted(known)}"


def _of_section(found: Any, wanted: ConfigDict, name: str, kind: type) -> str:
    if not isinstance(found, kind):
        return f"{name} = {_shown(found)} must be a section; see configs/default.py"
    for key in found:
        if key not in wanted:
            return unknown_key(name, key, wanted)
    for key, like in wanted.items():
        if key not in found:
            return f"{name}.{key} is missing; see configs/default.py"
        if isinstance(like, ConfigDict):
            said = _of_section(found[key], like, f"{name}.{key}", kind)
        else:
            said = _of_value(found[key], like, f"{name}.{key}")
        if said:
            return said
    return ""


def _of_value(found: Any, wanted: Any, name: str) -> str:
    holds, what = _KINDS[type(wanted)]
    if not holds(found):
        return f"{name} = {_shown(found)} must be {what}"
    numbers = found if isinstance(found, tuple) else (found,)
    if not name.endswith(_SEED) and any(_is_large(number) for number in numbers):
        return f"{name} = {_shown(found)} must lie between -2147483648 and 2147483648"
    return ""


def _is_large(value: Any) -> bool:
    return isinstance(value, int) and not -LARGEST < value < LARGEST


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or math.isfinite(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _is_tuple(value: Any) -> bool:
    return isinstance(value, tuple) and all(type(item) in (int, str) for item in value)


def _shown(value: Any) -> str:
    """The value, or its beginning."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of too many digits to be written
        return "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:80]}..."


_KINDS: dict[type, tuple[Callable[[Any], bool], str]] = {
    bool: (lambda value: isinstance(value, bool), "True or False"),
    int: (lambda value: type(value) is int, "a whole number"),
    float: (_is_number, "a finite number"),
    str: (_is_text, "text"),
    tuple: (_is_tuple, "a tuple of whole numbers or of names, such as (1, 2)"),
}
