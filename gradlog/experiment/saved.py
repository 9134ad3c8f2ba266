"""The configuration that a run saved: `configs/saved.py:WORKDIR/config.json`."""

import json
from pathlib import Path
from typing import Any

from flax.traverse_util import flatten_dict, unflatten_dict
from ml_collections import ConfigDict

from gradlog.aliases import modern_settings
from gradlog.configs import default
from gradlog.experiment.keys import flat
from gradlog.experiment.schema import ConfigFileError, complaint


def get_config(path: str) -> ConfigDict:
    """Reads it back; keys that came after the run was made have their defaults.

    Raises:
      ConfigFileError: it cannot be read, or holds no such configuration.
    """
    try:
        saved = tuples(json.loads(Path(path).read_text()))  # JSON knows lists only
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigFileError(f"{path} cannot be read: {error}") from error
    if not isinstance(saved, dict):
        raise ConfigFileError(f"{path} is no configuration of a run")
    flattened = flatten_dict(saved, sep=".", keep_empty_nodes=True)
    saved = unflatten_dict(modern_settings(flattened), sep=".")
    whole = _over(default.get_config().to_dict(), saved)
    if said := complaint(whole):
        raise ConfigFileError(f"{path} is no configuration of a run: {said}")
    config = default.get_config()
    config.update(whole)
    return config


def defaults() -> dict[str, Any]:
    """By dotted key what a run that is older than the key is taken to have been made with."""
    return dict(flat(default.get_config()))


def _over(values: Any, saved: Any) -> Any:
    """The saved values, and of sections those that they leave out."""
    if not (isinstance(values, dict) and isinstance(saved, dict)):
        return saved
    return {**values, **{key: _over(values.get(key), item) for key, item in saved.items()}}


def tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: tuples(item) for key, item in value.items()}
    return tuple(value) if isinstance(value, list) else value
