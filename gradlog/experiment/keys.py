"""The keys of a configuration: default, meaning, range, and whether a key identifies a workdir.

All but the last are read from ``configs/default.py``, where a comment has meaning and range.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ml_collections import ConfigDict

from gradlog.configs import default

# What a workdir was trained with, and must never change in it: all keys of these sections ...
_IDENTITY_SECTIONS = ("data", "sde", "model", "objective", "optimizer")
# ... but those that say where the data lie, which their fingerprint does not depend on, ...
_LOCATIONS = ("data.data_dir", "data.path", "data.test_path")
# ... those that say how they are read, which their fingerprint shows, ...
_READING = ("data.axes",)
# ... those that change the memory of training alone, and ...
_MEMORY = ("model.remat",)
# ... the length of the learning rate's schedule: a training that is continued can extend it.
_SCHEDULE = ("optimizer.decay_steps", "optimizer.warmup")

# The settings of JAX on which all random draws depend: of the process, by environment variable, and
# not of the configuration. They identify a workdir too.
PROCESS_DEFAULTS: Mapping[str, Any] = {
    "JAX_DEFAULT_PRNG_IMPL": "threefry2x32",
    "JAX_ENABLE_X64": False,
    "JAX_HIGH_DYNAMIC_RANGE_GUMBEL": False,
    "JAX_RANDOM_SEED_OFFSET": 0,
    "JAX_THREEFRY_PARTITIONABLE": True,
}


def identifies_workdir(key: str) -> bool:
    """Return whether a key is one of those that must never change in a workdir."""
    in_list = key in ("seed", *PROCESS_DEFAULTS) or key.partition(".")[0] in _IDENTITY_SECTIONS
    return in_list and key not in (*_LOCATIONS, *_READING, *_MEMORY, *_SCHEDULE)


def is_location(key: str) -> bool:
    """Return whether a dotted key says where files lie, which may differ from host to host."""
    return key in _LOCATIONS


# The section that each function of ``default.py`` returns.
_SECTION_OF = {
    function: section
    for section, function in re.findall(r"config\.(\w+) = (\w+)\(\)", inspect.getsource(default))
}


@dataclass(frozen=True)
class Key:
    """One key.

    Attributes:
      name: with its section, 'training.steps'.
      default: its value in ``default.py``.
      meaning: its comment there, with the range at the end.
    """

    name: str
    default: Any
    meaning: str

    @property
    def section(self) -> str:
        """'training' for 'training.steps'; '' for a key outside of the sections."""
        return self.name.rpartition(".")[0]

    @property
    def interval(self) -> str:
        """The interval in which its numbers must lie, such as '[1, inf)'; '' for any."""
        found = re.search(r"[\[(][-\d.inf]+, [\d.inf]+[\])]$", self.meaning)
        return found[0] if found else ""

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that the meaning names in quotes, the default first; () if it is no text."""
        if not isinstance(self.default, str):
            return ()
        named = re.findall(r"'([A-Za-z]\w*)'", self.meaning)
        return tuple(dict.fromkeys(filter(None, [self.default, *named] if named else [])))


@cache
def keys() -> Mapping[str, Key]:
    """Return every key by its dotted name, in the order of ``default.py``.

    There a key has a line of its own, with its meaning beside it or in the comments above it.
    """
    meanings: dict[str, str] = {}
    section, above = "", []
    for line in inspect.getsource(default).splitlines():
        if found := re.match(r"def (\w+)\(", line):
            section = _SECTION_OF.get(found[1], "")
        elif found := re.match(r" +# (.*)", line):
            above.append(found[1])
            continue
        elif found := re.match(r' +(?:config\.(\w+) = |"(\w+)": ).*?(?:  # (.*))?$', line):
            name = f"{section}.{found[1] or found[2]}".lstrip(".")
            meanings[name] = " ".join([*above, *filter(None, [found[3]])])
        above = []
    values = dict(flatten(default.get_config()))
    ordered = [name for name in meanings | values if name in values]
    return {name: Key(name, values[name], meanings.get(name, "")) for name in ordered}


def keys_in_section(section: str) -> list[Key]:
    """Return the keys of a section; for '' those outside of the sections."""
    return [key for key in keys().values() if key.section == section]


@cache
def sections() -> Mapping[str, str]:
    """Return what each section is about, by name, in the order of ``default.py``.

    The section '' stands for keys outside of the sections.
    """
    about = {section: getattr(default, name).__doc__ for name, section in _SECTION_OF.items()}
    return {name: about.get(name, "") for name in dict.fromkeys(k.section for k in keys().values())}


def flatten(config: ConfigDict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every key of a configuration by its dotted name, with its value."""
    for name, value in config.items():
        if isinstance(value, ConfigDict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
