"""Finished batches of an evaluation that is not finished, as files: none is evaluated twice."""

import json
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Int

from gradlog import distributed as hosts
from gradlog.storage import read_json, write_json, write_npz

Arrays = dict[str, Any]
_SETTINGS = "settings.json"
# What reading an archive that was cut off or overwritten can raise.
_DAMAGED = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Unfinished:
    """A folder of batches, one file each, named after the batch's first index.

    Every host writes those that it has computed, and may read those of all: whichever host comes to
    a batch again, and of how many, need not compute it.
    """

    folder: Path

    @classmethod
    def open(cls, folder: Path, settings: dict[str, Any]) -> "Unfinished":
        """Takes up a folder, emptied first where its batches were made with other settings.

        Raises:
          HostError: another host does not see what host 0 writes.
        """
        if hosts.writes() and not _made_with(folder / _SETTINGS, settings):
            shutil.rmtree(folder, ignore_errors=True)
            write_json(folder / _SETTINGS, settings)
        hosts.check_shared(folder / _SETTINGS)
        return cls(folder)

    def within(self, name: str) -> "Unfinished":
        """The batches of another look at the same data."""
        return Unfinished(self.folder / name)

    def load(self, indices: Int[np.ndarray, " rows"]) -> Arrays | None:
        """The arrays of the batch of just these indices; None where it is not there, or damaged."""
        try:
            with np.load(self._path(indices)) as file:
                arrays = dict(file)
        except _DAMAGED:
            return None
        if not np.array_equal(arrays.pop("indices", np.zeros(0)), indices):
            return None
        return unflatten_dict(arrays, sep="/")

    def save(self, indices: Int[np.ndarray, " rows"], arrays: Arrays) -> None:
        """Writes a batch's arrays, in dictionaries of any depth."""
        flat: Any = flatten_dict(arrays, sep="/")
        write_npz(self._path(indices), flat | {"indices": indices})

    def discard(self) -> None:
        """Removes the folder, the result being written: for host 0, when all have what it held."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, indices: Int[np.ndarray, " rows"]) -> Path:
        return self.folder / f"{indices[0]}.npz"


def _made_with(path: Path, settings: dict[str, Any]) -> bool:
    try:
        return read_json(path) == json.loads(json.dumps(settings))
    except (OSError, ValueError):
        return False
