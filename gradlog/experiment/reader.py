"""Reading a configuration, and remembering which keys were read.

``name`` in a section selects a member of a room's registry; the member's own parameters are read
from the section under their own names, parts shared between rooms are passed in.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ml_collections import ConfigDict

from gradlog.config_error import ConfigError
from gradlog.data import DATASETS, DataError
from gradlog.sde_lib import SDE


class Reader:
    """Reads sections of a config and remembers which keys it read."""

    def __init__(self, config: ConfigDict):
        self._config = config
        self.keys_read: set[str] = set()

    def get(self, key: str) -> Any:
        """The value of a dotted key."""
        self.keys_read.add(key)
        return self.peek(key)

    def peek(self, key: str) -> Any:
        """The value of a dotted key, of which nothing is made."""
        value: Any = self._config
        for part in key.split("."):
            if part not in value:
                raise ConfigError(f"config.{key} is missing; see configs/default.py")
            value = value[part]
        return value

    def pick(self, key: str, registry: Mapping[str, Any]) -> Any:
        """The member of a registry that a key names."""
        name = self.get(key)
        if name not in registry:
            raise ConfigError(
                f"config.{key} = {name!r} is unknown; choose one of {sorted(registry)}"
            )
        return registry[name]

    def make(self, section: str, factory: Callable, **parts: Callable[[], Any]) -> Any:
        """Calls a factory with those of its parameters that are shared parts or section keys.

        Parts are given as functions, called only if the factory wants them.
        """
        arguments = {}
        known: Any = self._config[section]
        for name, parameter in inspect.signature(factory).parameters.items():
            if name in parts:
                arguments[name] = parts[name]()
            elif name in known and name != "name":
                arguments[name] = self.get(f"{section}.{name}")
            elif parameter.default is parameter.empty:
                raise ConfigError(f"config.{section}.{name} is missing; see configs/default.py")
        try:
            return factory(**arguments)
        except (ConfigError, DataError):
            raise
        except (ValueError, ArithmeticError) as error:
            raise ConfigError(f"config.{section}: {error}") from error

    def choose(self, section: str, registry: Mapping[str, Any], **parts) -> Any:
        """Makes the member that ``config.<section>.name`` selects."""
        return self.make(section, self.pick(f"{section}.name", registry), **parts)

    def note_data_keys(self) -> None:
        """Counts the keys of the data set's loader as read: the data set depends on them."""
        loader = self.pick("data.name", DATASETS)
        self.keys_read |= {f"data.{name}" for name in inspect.signature(loader).parameters}

    def eps(self, section: str, sde: SDE) -> float:
        """The section's ``eps``, inside the SDE's range of times: 0 only if there is noise at 0."""
        eps = self.get(f"{section}.eps")
        noise_at_0 = bool(sde.sigma(0.0) > 0)
        if not (0 < eps < sde.t_max or (eps == 0 and noise_at_0)):
            interval = f"{'[' if noise_at_0 else '('}0, {sde.t_max})"
            raise ConfigError(f"config.{section}.eps = {eps} must lie in {interval}")
        return eps

    def snapshot(self, *prefixes: str) -> dict[str, Any]:
        """Values of the keys read so far that begin with one of the prefixes."""
        keys = sorted(key for key in self.keys_read if key.startswith(prefixes))
        return {key: self.get(key) for key in keys}
