"""The configuration that a run saved: `configs/saved.py:WORKDIR/config.json`."""

import json
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict


def get_config(path: str) -> ConfigDict:
    """Reads it back; JSON knows lists only, configurations hold tuples."""
    return ConfigDict(_tuples(json.loads(Path(path).read_text())))


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(value) if isinstance(value, list) else value
