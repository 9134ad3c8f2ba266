"""Check the keys of a configuration, their types and the ranges of its numbers.

A configuration has all keys of ``configs/default.py`` and no other, with values of the same types.
Which names a key may have, and which parts go together, is checked where the parts are built.
"""

import difflib
import math
from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from gradlog.config_error import ConfigError
from gradlog.configs import default
from gradlog.experiment.keys import flatten, keys

LARGEST = 2**31  # programs have whole numbers of 32 bits
_SEED = "seed"  # may be larger; its range says how large


class ConfigFileError(ConfigError):
    """A file that holds no configuration; the message is one line that names the file."""


def check_ranges(config: ConfigDict) -> None:
    """Check the numbers of a configuration in which ``find_problem`` found no problem.

    Raises:
      ConfigError: a number lies outside of its range; the message names the key.
    """
    values = dict(flatten(config))
    for key, value in values.items():
        check_range(key, value)
    batches, steps = values["optimizer.accumulate"], values["training.steps"]
    if batches > steps:
        raise ConfigError(
            f"config.optimizer.accumulate = {batches} must not be above config.training.steps = "
            f"{steps}: no update would be made"
        )
    low, high = values["sde.sigma_min"], values["sde.sigma_max"]
    if low >= high:
        raise ConfigError(
            f"config.sde.sigma_min = {low} must be below config.sde.sigma_max = {high}"
        )


def check_range(key: str, value: Any) -> None:
    """Check the value of one dotted key, which has its type.

    Raises:
      ConfigError: it lies outside of its range, or holds no numbers; the message names the key.
    """
    # The command line does not look inside tuples.
    numbers = value if key.startswith("model.") and isinstance(value, tuple) else ()
    if not all(type(number) is int for number in numbers):
        raise ConfigError(f"config.{key} = {value} must be whole numbers, such as 1,2")
    interval = keys()[key].interval
    if interval and not _lies_in(interval, value):
        raise ConfigError(f"config.{key} = {value} must lie in {interval}")


def find_problem(config: ConfigDict | dict) -> str:
    """Return what is wrong with the first key that has another name or type; '' if nothing is."""
    kind = ConfigDict if isinstance(config, ConfigDict) else dict
    return _find_in_section(config, default.get_config(), "config", kind)


def find_problem_in_value(key: str, value: Any) -> str:
    """Return what is wrong with the value of a dotted key; '' if nothing is."""
    return _find_in_value(value, keys()[key].default, f"config.{key}")


def check_key(key: str) -> None:
    """Check that there is a dotted key.

    Raises:
      ConfigError: it is a section, lies below a key, or is unknown; the message names what was
        probably meant.
    """
    if key in keys():
        return
    if inside := [name for name in keys() if name.startswith(f"{key}.")]:
        raise ConfigError(
            f"config.{key} is a section: set one of its keys, such as config.{inside[0]}"
        )
    parent = next((name for name in keys() if key.startswith(f"{name}.")), "")
    if parent:
        raise ConfigError(f"config.{parent} is a value and has no key {key[len(parent) + 1 :]}")
    near = suggest_key(key)
    hint = f"did you mean config.{near}? " if near else ""
    raise ConfigError(f"config.{key} is unknown; {hint}--help lists every key")


def suggest_key(name: str) -> str:
    """Return the key or section that a dotted name probably means; '' if none is near.

    All sections are searched: 'lr' means 'optimizer.learning_rate'.
    """
    section, _, last = name.rpartition(".")
    names = list(dict.fromkeys([*keys(), *(key.section for key in keys().values() if key.section)]))
    own = [key for key in names if key.rpartition(".")[0] == section]
    for candidates in (own, names):
        by_last = {key.rpartition(".")[2]: key for key in reversed(candidates)}
        initials = {"".join(w[0] for w in key.split("_")): key for key in by_last if "_" in key}
        near = difflib.get_close_matches(last, list(by_last), n=1, cutoff=0.7)
        if match := last if last in by_last else initials.get(last) or next(iter(near), ""):
            return by_last[match]
    return next(iter(difflib.get_close_matches(name, names, n=1)), "")


def expected_type(key: str) -> str:
    """Return what the value of a key must be, in words, such as 'a whole number, such as 1000'."""
    found = keys()[key].default
    words = _KINDS[type(found)][1]
    return f"{words}, such as {found}" if type(found) in (int, float) else words


def _find_in_section(found: Any, wanted: ConfigDict, name: str, kind: type) -> str:
    if not isinstance(found, kind):
        return f"{name} = {_shown(found)} must be a section; see configs/default.py"
    for key in found:
        if key not in wanted:
            near = suggest_key(f"{name}.{key}".removeprefix("config."))
            hint = f"did you mean config.{near}? " if near else ""
            return f"{name}.{key} is unknown; {hint}{name} has {sorted(wanted)}"
    for key, like in wanted.items():
        if key not in found:
            return f"{name}.{key} is missing; see configs/default.py"
        if isinstance(like, ConfigDict):
            problem = _find_in_section(found[key], like, f"{name}.{key}", kind)
        else:
            problem = _find_in_value(found[key], like, f"{name}.{key}")
        if problem:
            return problem
    return ""


def _find_in_value(found: Any, wanted: Any, name: str) -> str:
    is_valid, words = _KINDS[type(wanted)]
    if not is_valid(found):
        return f"{name} = {_shown(found)} must be {words}"
    numbers = found if isinstance(found, tuple) else (found,)
    large = any(isinstance(each, int) and not -LARGEST < each < LARGEST for each in numbers)
    if large and not name.endswith(_SEED):
        return f"{name} = {_shown(found)} must lie between -2147483648 and 2147483648"
    return ""


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or math.isfinite(value)


def _shown(value: Any) -> str:
    """Return the value as text, cut after 80 characters."""
    try:
        text = repr(value)
    except ValueError:  # Python does not print whole numbers of that many digits
        return "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:80]}..."


def _lies_in(interval: str, value: Any) -> bool:
    """Return whether a number, or each number of a tuple that is not empty, is in an interval."""
    numbers = value if isinstance(value, tuple) else (value,)
    low, high = (float(end) for end in interval[1:-1].split(","))
    least = low if interval.startswith("[") else math.nextafter(low, high)
    most = high if interval.endswith("]") else math.nextafter(high, low)
    return bool(numbers) and all(least <= number <= most for number in numbers)


_KINDS: dict[type, tuple[Callable[[Any], bool], str]] = {
    bool: (lambda value: isinstance(value, bool), "True or False"),
    int: (lambda value: type(value) is int, "a whole number"),
    float: (_is_number, "a finite number"),
    str: (lambda value: isinstance(value, str) and "\0" not in value, "text"),
    tuple: (
        lambda value: isinstance(value, tuple) and all(type(each) in (int, str) for each in value),
        "a tuple of whole numbers or of names, such as (1, 2)",
    ),
}
