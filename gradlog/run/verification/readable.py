"""Whether the files of a result can be read, and are as they were written."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gradlog.run.exporting import check_archive
from gradlog.storage import read_sealed

# What is written with its own digest, by the file's name or by its folder's.
_SEALED = ("bits_per_dim.json", "accuracy.json", "quality.json", "differences.json")
_SEALED_BEGINNING = "over_training"
_ALL_SEALED = ("compare",)


def read_object(path: Path) -> dict[str, Any]:
    """An object of JSON.

    Raises:
      ValueError: it is none.
    """
    found = json.loads(path.read_bytes())
    if not isinstance(found, dict):
        raise ValueError("it holds no object")
    return found


def _json(path: Path) -> None:
    json.loads(path.read_bytes())
    named = path.name in _SEALED or path.name.startswith(_SEALED_BEGINNING)
    if named or path.parent.name in _ALL_SEALED:
        read_sealed(path)


def _archive(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if bad := archive.testzip():
            raise ValueError(f"{bad} in it is not as it was written")
    with np.load(path, allow_pickle=False) as arrays:
        for name in arrays.files:
            arrays[name]


def _picture(path: Path) -> None:
    with Image.open(path) as picture:
        picture.verify()


# By suffix; of others nothing is known that could be wrong.
READERS: dict[str, Callable[[Path], None]] = {
    ".json": _json,
    ".npz": _archive,
    ".zip": check_archive,
    ".png": _picture,
    ".gif": _picture,
}
