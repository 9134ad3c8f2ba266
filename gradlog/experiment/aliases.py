"""Older spellings of configuration keys and values, and of names in result files.

Version 0.1 wrote British spellings. They are still read: from workdirs, from configuration files
and from the command line.
"""

from typing import Any

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


def modern_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings by dotted key with keys and values in the spelling of today."""
    renamed = {KEYS.get(key, key): value for key, value in settings.items()}
    return {
        key: VALUES.get(key, {}).get(value, value) if isinstance(value, str) else value
        for key, value in renamed.items()
    }
