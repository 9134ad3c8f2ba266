"""Older spellings of configuration keys, of their values, and of names in files of results.

Version 0.1 wrote British spellings. They are still read: from the files of a workdir, from
configuration files, from sweeps and from the command line. Digests still use them, so that the
folders of version 0.1 are found.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from ml_collections import ConfigDict

# Old dotted key -> the key of today.
KEYS = {
    "data.centre": "data.center",
    "likelihood.colours": "likelihood.colors",
    "likelihood.dequantisation": "likelihood.dequantization",
    "model.parametrisation": "model.parametrization",
    "objective.dequantisation": "objective.dequantization",
    "quality.neighbours": "quality.neighbors",
}
# Key -> old value -> the value of today.
VALUES = {
    "objective.dequantization": {"centres": "centers"},
    "sampling.task": {"colourise": "colorize"},
}
_OLD_KEYS = {new: old for old, new in KEYS.items()}
_OLD_VALUES = {key: {new: old for old, new in table.items()} for key, table in VALUES.items()}
# The same without the section: no two sections use one of these names differently.
_NAMES = {old.rpartition(".")[2]: new.rpartition(".")[2] for old, new in KEYS.items()}
_NAMED_VALUES = {key.rpartition(".")[2]: values for key, values in VALUES.items()}
# Words in the names of a result: 'nats_dequantisation', 'discretisation'.
_WORDS = {"dequantisation": "dequantization", "discretisation": "discretization"}
_NAMING = ("source", "term")  # keys of a result whose values are such names


def modern_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by dotted key with keys and values in the spelling of today.

    It is for files that a program wrote: nothing is said about their spelling.
    """
    return {
        KEYS.get(key, key): _replace(VALUES, KEYS.get(key, key), value)
        for key, value in settings.items()
    }


# Settings that older results lack, with the values that they were computed with.
_LATER = {"likelihood.churn": 1.0, "likelihood.path": "adaptive", "sampling.log_prob": False}
# Settings that older results lack, since nothing depended on them there.
_UNUSED = ("likelihood.intervals", "likelihood.tolerance", "sampling.num_steps")


def filled_settings(settings: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of a result with those of the wanted ones that it is too old to have."""
    later = _LATER | {key: wanted[key] for key in _UNUSED if key in wanted}
    return {key: later[key] for key in later if key in wanted} | dict(settings)


def old_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by dotted key as version 0.1 spelled them; digests are made of these."""
    return {
        _OLD_KEYS.get(key, key): _replace(_OLD_VALUES, key, value)
        for key, value in settings.items()
    }


def modern_result(contents: Any, key: str = "") -> Any:
    """Return the contents of a result file with the names of today.

    Args:
      contents: dictionaries, lists and values, as JSON or an archive of arrays holds them.
      key: the name of the contents, in the spelling of today.
    """
    if isinstance(contents, dict):
        modern = {_modern_name(name): value for name, value in contents.items()}
        return modern_settings({name: modern_result(value, name) for name, value in modern.items()})
    if isinstance(contents, list):
        return [modern_result(item, key) for item in contents]
    return _modern_name(contents) if key in _NAMING and isinstance(contents, str) else contents


def modern_key(key: str) -> tuple[str, list[str]]:
    """Return a dotted key in the spelling of today, and a note if it was an older one."""
    new = KEYS.get(key, key)
    return new, [describe(f"config.{key}", f"config.{new}")] if new != key else []


def modern_value(key: str, value: Any) -> tuple[Any, list[str]]:
    """Return the value of a key in the spelling of today, and a note if it was an older one."""
    new = _replace(VALUES, key, value)
    return new, [f"config.{key}: {describe(repr(value), repr(new))}"] if new != value else []


def describe(old: str, new: str) -> str:
    """Return the note on an old spelling."""
    return f"{old} is the spelling of version 0.1; it is {new} now"


def _replace(values: Mapping[str, Mapping[str, str]], key: str, value: Any) -> Any:
    return values.get(key, {}).get(value, value) if isinstance(value, str) else value


def _modern_name(name: str) -> str:
    if name in KEYS:
        return KEYS[name]
    for old, new in _WORDS.items():
        name = name.replace(old, new)
    return name


class Config(ConfigDict):
    """A configuration, or a section of one, that reads the spellings of version 0.1 too.

    Each old spelling is noted once in a process.
    """

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self._modern(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        key = self._modern(key)
        new = _NAMED_VALUES.get(key, {}).get(value) if isinstance(value, str) else None
        if new is not None:
            _note(repr(value), repr(new))
        super().__setitem__(key, value if new is None else new)

    def __contains__(self, key: Any) -> bool:
        return super().__contains__(self._modern(key))

    def get_type(self, key: Any) -> Any:
        """Return the type of a field; the flags of a configuration ask for it."""
        return super().get_type(self._modern(key))  # pyright: ignore[reportAttributeAccessIssue]

    def update(self, *other: Any, **values: Any) -> None:
        """Set several keys."""
        plain = [
            each
            if isinstance(each, ConfigDict)
            else {self._modern(key): value for key, value in dict(each).items()}
            for each in other
        ]
        super().update(*plain, **{self._modern(key): value for key, value in values.items()})

    def _modern(self, key: Any) -> Any:
        new = _NAMES.get(key) if isinstance(key, str) else None
        if new is None or key in self._fields or new not in self._fields:
            return key
        _note(key, new)
        return new


@cache
def _note(old: str, new: str) -> None:
    from gradlog.terminal import say  # not for programs that use no old spelling

    say(f"note: {describe(old, new)}")
