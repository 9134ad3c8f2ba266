"""Finished batches of an evaluation that was interrupted, as files."""

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
from gradlog.storage import list_versions, own_path, read_json, write_json, write_npz

PARTIAL = "partial"  # the folder inside a result's folder
# The errors of reading an archive that was cut off, overwritten or removed.
DAMAGED = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class BatchCache:
    """A folder of finished batches, one file each, named after the first index of the batch.

    Every host writes the batches that it has computed and may read those of all hosts. So an
    interrupted evaluation resumes on any number of hosts and computes no batch twice.
    """

    folder: Path

    @classmethod
    def open(cls, result_folder: Path, settings: dict[str, Any]) -> "BatchCache":
        """Open the cache of a result; batches of other settings or versions are deleted first.

        Raises:
          HostError: another host does not see what host 0 writes.
          WorkdirError: the folder is a link.
        """
        folder = own_path(result_folder, PARTIAL)
        path, made_with = (
            folder / "settings.json",
            {"settings": settings, "versions": list_versions()},
        )
        if hosts.is_writer() and not _holds(path, made_with):
            shutil.rmtree(folder, ignore_errors=True)
            write_json(path, made_with)
        hosts.check_shared(path)
        return cls(folder)

    def within(self, name: str) -> "BatchCache":
        """Return the cache of another pass over the same data."""
        return BatchCache(own_path(self.folder, name))

    def load(self, indices: Int[np.ndarray, " rows"]) -> dict[str, Any] | None:
        """Return the arrays of exactly these indices; None if they are missing or damaged."""
        try:
            with np.load(self._path(indices)) as file:
                arrays = dict(file)
        except DAMAGED:
            return None
        if not np.array_equal(arrays.pop("indices", np.zeros(0)), indices):
            return None
        return unflatten_dict(arrays, sep="/")

    def save(self, indices: Int[np.ndarray, " rows"], arrays: dict[str, Any]) -> None:
        """Write the arrays of a batch, in dictionaries of any depth."""
        flat: Any = flatten_dict(arrays, sep="/")
        write_npz(self._path(indices), flat | {"indices": indices})

    def discard(self) -> None:
        """Delete the folder. Host 0 does so once the result is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, indices: Int[np.ndarray, " rows"]) -> Path:
        return self.folder / f"{indices[0]}.npz"


def _holds(path: Path, value: Any) -> bool:
    try:
        return read_json(path) == json.loads(json.dumps(value))
    except (OSError, ValueError):
        return False
