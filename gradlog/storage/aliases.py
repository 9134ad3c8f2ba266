"""Names in the files of results that version 0.1 wrote in British spelling."""

from typing import Any

from gradlog.aliases import KEYS, VALUES, modern_settings

# Words in the names of a result: 'nats_dequantisation', 'discretisation'.
_WORDS = {"dequantisation": "dequantization", "discretisation": "discretization"}
_NAMING = ("source", "term")  # keys of a result whose values are such names


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


def _modern_name(name: str) -> str:
    if name in KEYS:
        return KEYS[name]
    for old, new in _WORDS.items():
        name = name.replace(old, new)
    return name


def old_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings by dotted key as version 0.1 spelled them: folder names hold their digest."""
    old_keys = {new: old for old, new in KEYS.items()}
    old_values = {key: {new: old for old, new in table.items()} for key, table in VALUES.items()}
    return {
        old_keys.get(key, key): old_values.get(key, {}).get(value, value)
        if isinstance(value, str)
        else value
        for key, value in settings.items()
    }
