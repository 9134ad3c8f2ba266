"""The configuration: what differs from the defaults, and all of it."""

from collections.abc import Iterator
from typing import Any

from ml_collections import ConfigDict

from gradlog.experiment.keys import Key, flat, keys
from gradlog.report.blocks import CODE, TEXT, Block, Fold, Missing, Paragraph, Table
from gradlog.report.run_files import RunFiles
from gradlog.report.sections.training import train_command

_COLUMNS = (("key", CODE), ("value", CODE), ("default", CODE), ("meaning", TEXT))


def blocks(files: RunFiles) -> list[Block]:
    """Differences from configs/default.py first, the whole behind."""
    config, notes = files.read_config
    if config is None:
        missing = Missing("There is no configuration; training writes it.", train_command(files))
        return notes or [missing]
    whole = [(key.name, repr(value), _plain(key.meaning)) for key, value in _all(config)]
    return [
        differences(config),
        Fold(
            f"All {len(whole)} keys",
            [Table("The whole configuration", (*_COLUMNS[:2], _COLUMNS[3]), whole)],
        ),
    ]


def differences(config: ConfigDict) -> Block:
    """The keys that it has otherwise than ``configs/default.py``."""
    differing = list(changed(config))
    if not differing:
        return Paragraph("It is configs/default.py as it stands.")
    rows = [
        (key.name, repr(value), repr(key.default), _plain(key.meaning)) for key, value in differing
    ]
    return Table(f"{len(rows)} differences from configs/default.py", _COLUMNS, rows)


def changed(config: ConfigDict) -> Iterator[tuple[Key, Any]]:
    """Keys with another value than in ``configs/default.py``."""
    return ((key, value) for key, value in _all(config) if value != key.default)


def _all(config: ConfigDict) -> Iterator[tuple[Key, Any]]:
    known = keys()
    return ((known.get(name, Key(name, None, "")), value) for name, value in flat(config))


def about(files: RunFiles) -> str:
    """What the run is, in a line."""
    config = files.config
    if config is None:
        return "no configuration that can be read"
    words = (
        config.data.name,
        f"SDE {config.sde.name}",
        f"{config.model.name} ({config.model.parametrization})",
        f"{config.objective.name}, weighting {config.objective.weighting}",
    )
    return " · ".join(words)


def _plain(meaning: str) -> str:
    """Without the marks of code."""
    return meaning.replace("`", "")
