"""Whether the files of a result can be read, and say the same as each other."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from evaluation.results import PER_IMAGE, RESULT
from evaluation.uncertainty import mean
from run.classification import RESULT as ACCURACY


def read_object(path: Path) -> dict[str, Any]:
    """An object of JSON.

    Raises:
      ValueError: it is none.
    """
    found = json.loads(path.read_bytes())
    if not isinstance(found, dict):
        raise ValueError("it holds no object")
    return found


def check_evaluation(path: Path) -> None:
    """Raises ValueError where ``bits_per_dim.json`` is not of the images beside it."""
    summary, (bits, ok) = read_object(path), _arrays(path.parent, "bits_per_dim", "ok")
    _check_images(summary, ok)
    _check_mean(summary["bits_per_dim"], bits[ok])


def check_classification(path: Path) -> None:
    """Raises ValueError where ``accuracy.json`` is not of the images beside it."""
    summary = read_object(path)
    labels, predicted, ok = _arrays(path.parent, "labels", "predicted", "ok")
    _check_images(summary, ok)
    _check_mean(summary["accuracy"], (labels == predicted)[ok])


# By the first folder of the workdir and the file's name: what must agree with what is beside it.
TOGETHER: dict[tuple[str, str], Callable[[Path], None]] = {
    ("eval", RESULT): check_evaluation,
    ("classify", ACCURACY): check_classification,
}


def _arrays(folder: Path, *names: str) -> list[np.ndarray]:
    with np.load(folder / PER_IMAGE, allow_pickle=False) as found:
        return [found[name] for name in names]


def _check_images(summary: dict[str, Any], ok: np.ndarray) -> None:
    failed = np.flatnonzero(~ok).tolist()
    if (summary["num_images"], summary["failed"]) != (int(ok.sum()), failed):
        raise ValueError(f"it counts other images than {PER_IMAGE} has")


def _check_mean(told: float | None, values: np.ndarray) -> None:
    found = mean(values).value if len(values) else None
    if told != found:
        raise ValueError(f"its mean is {told}, that of {PER_IMAGE} is {found}")


def _json(path: Path) -> None:
    json.loads(path.read_bytes())


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
    ".png": _picture,
    ".gif": _picture,
}
