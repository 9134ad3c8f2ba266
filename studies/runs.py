"""The runs that a study trains, and the folder of what it found."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradlog.run import RunDirectory


def folder_of(run: RunDirectory) -> Path:
    """Where the pictures and numbers of a study lie."""
    return run.workdir.root / "study"


def variant(run: RunDirectory, name: str, changes: Mapping[str, Any]) -> RunDirectory:
    """A run in the folder ``name`` of the workdir, with some keys of its configuration changed.

    Args:
      run: the run it is a variant of.
      name: of its folder.
      changes: values by dotted key.
    """
    config = run.config.copy_and_resolve_references()
    config.update_from_flattened_dict(dict(changes))
    return RunDirectory.open(run.workdir.root / name, config)
