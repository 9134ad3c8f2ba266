"""The configuration that a run saved: `configs/saved.py:WORKDIR/config.json`."""

import json
from pathlib import Path
from typing import Any

from flax.traverse_util import flatten_dict
from ml_collections import ConfigDict

from configs import default


def get_config(path: str) -> ConfigDict:
    """Reads it back; keys that came after the run was made have their defaults."""
    saved = _tuples(json.loads(Path(path).read_text()))  # JSON knows lists only
    config = default.get_config()
    with config.unlocked():
        config.update(saved)
    return config


def defaults() -> dict[str, Any]:
    """By dotted key what a run that is older than the key is taken to have been made with."""
    return flatten_dict(default.get_config().to_dict(), sep=".")


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(value) if isinstance(value, list) else value
