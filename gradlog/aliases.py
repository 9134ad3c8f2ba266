"""Older spellings of configuration keys and values.

Version 0.1 wrote British spellings. They are still read: from the files of a workdir, from
configuration files, from sweeps and from the command line.
"""

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
# The same without the section: no two sections use one of these names differently.
_NAMES = {old.rpartition(".")[2]: new.rpartition(".")[2] for old, new in KEYS.items()}
_NAMED_VALUES = {key.rpartition(".")[2]: values for key, values in VALUES.items()}


def modern_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings by dotted key with keys and values in the spelling of today.

    It is for files that a program wrote: nothing is said about their spelling.
    """
    renamed = {KEYS.get(key, key): value for key, value in settings.items()}
    return {
        key: VALUES.get(key, {}).get(value, value) if isinstance(value, str) else value
        for key, value in renamed.items()
    }


def modern_key(key: str) -> str:
    """Return a dotted key in the spelling of today; an old spelling is noted once."""
    if key in KEYS:
        _note(key.rpartition(".")[2], KEYS[key].rpartition(".")[2])
    return KEYS.get(key, key)


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
        return super().get_type(self._modern(key))

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

    say(f"note: {old} is the spelling of version 0.1; it is {new} now")
