"""Read sections of a configuration, and make their members.

``name`` in a section selects a member of a registry. The parameters of the member's constructor
say which keys of the section it reads; other parts are passed in under the name of a parameter.
"""

import inspect
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from ml_collections import ConfigDict

from gradlog.config_error import ConfigError
from gradlog.data import DataError
from gradlog.sde_lib import Kind, Process, check_eps, check_process


class Reader:
    """Reads one part of an experiment, and knows the keys that the part depends on."""

    def __init__(self, config: ConfigDict):
        self._config = config
        self.keys_read: set[str] = set()

    def get(self, key: str) -> Any:
        """Return the value of a dotted key."""
        self.keys_read.add(key)
        value: Any = self._config
        for name in key.split("."):
            value = value[name]
        return value

    def pick(self, key: str, registry: Mapping[str, Any]) -> Any:
        """Return the member of a registry that a key names."""
        name = self.get(key)
        if name not in registry:
            raise ConfigError(
                f"config.{key} = {name!r} is unknown; choose one of {sorted(registry)}"
            )
        return registry[name]

    def pick_for(
        self,
        key: str,
        process: Process,
        registries: Mapping[Kind, Mapping[str, Any]],
    ) -> Any:
        """Return the member that a key names, of the registry for the kind of the process.

        Raises:
          ConfigError: there is no such name, or it is one of the other kind.
        """
        self.pick(key, {name: None for registry in registries.values() for name in registry})
        name, own = self.get(key), registries[process.kind]
        if name not in own:
            raise ConfigError(
                f"config.{key} = {name!r} does not go with config.sde.name = "
                f"{self.get('sde.name')!r}; choose one of {sorted(own)}"
            )
        return own[name]

    def section(self, name: str, *keys: str) -> SimpleNamespace:
        """Return the values of some keys of a section, by default of all, as attributes."""
        return SimpleNamespace(
            **{key: self.get(f"{name}.{key}") for key in keys or self._config[name]}
        )

    def make(self, section: str, factory: Callable, **parts: Callable[[], Any]) -> Any:
        """Call a factory with its ``arguments``.

        Raises:
          ConfigError: the factory finds a value that is invalid.
        """
        arguments = self.arguments(section, factory, **parts)
        try:
            return factory(**arguments)
        except (ConfigError, DataError):
            raise
        except (ValueError, ArithmeticError) as error:
            raise ConfigError(f"config.{section}: {error}") from error

    def arguments(
        self, section: str, factory: Callable, **parts: Callable[[], Any]
    ) -> dict[str, Any]:
        """Return the parts and the keys of a section that the parameters of a factory name.

        Args:
          section: of the configuration.
          factory: a class or a function.
          parts: functions that return a part; one is called only if the factory has a parameter of
            its name.
        """
        found = {}
        for name, parameter in inspect.signature(factory).parameters.items():
            if name in parts:
                found[name] = parts[name]()
            elif name in self._config[section] and name != "name":
                found[name] = self.get(f"{section}.{name}")
            elif parameter.default is parameter.empty:
                raise ConfigError(f"config.{section}.{name} is missing; see configs/default.py")
        return found

    def choose(self, section: str, registry: Mapping[str, Any], **parts: Callable[[], Any]) -> Any:
        """Make the member that ``config.<section>.name`` selects; see ``make``."""
        return self.make(section, self.pick(f"{section}.name", registry), **parts)

    def eps(self, section: str, process: Process) -> float:
        """Return the section's ``eps``: a time of the process, 0 only if it has noise there.

        A process with trained numbers is the one before training.
        """
        eps = self.get(f"{section}.eps")
        try:
            check_eps(eps, process)
        except ValueError as error:
            raise ConfigError(f"config.{section}.{error}") from error
        return eps

    def snapshot(self, *prefixes: str) -> dict[str, Any]:
        """Return the values of the keys read so far that begin with one of the prefixes."""
        return {key: self.get(key) for key in sorted(self.keys_read) if key.startswith(prefixes)}


def check_accepts(key: str, name: str, strategy: Any, process: Process) -> None:
    """Check that a sampler or an estimator accepts the process.

    Raises:
      ConfigError: it needs another kind of process; the message names the key.
    """
    try:
        check_process(strategy, process)
    except ValueError as error:
        raise ConfigError(f"config.{key} = {name!r}: {error}") from error
