"""What is known of a data set without having it: enough to draw samples of its shape."""

import inspect
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from gradlog.data.dataset import UNKNOWN, DataError, Dataset

# The shape of one image, where the name and the loader's arguments tell it.
SHAPES: dict[str, Callable[..., tuple[int, int, int]]] = {
    "cifar10": lambda: (32, 32, 3),
    "digits": lambda: (8, 8, 1),
    "folder": lambda image_size, channels: (image_size, image_size, channels),
    "imagenet32": lambda: (32, 32, 3),
    "photos": lambda image_size: (image_size, image_size, 3),
}
LEVELS = {"digits": 17}  # of the others: 256


class Absent:
    """A source of examples that are not here."""

    def __init__(self, name: str, reason: str):
        self._name, self._reason = name, reason

    def __len__(self) -> int:
        return 0

    def __getitem__(self, indices: Any) -> NoReturn:
        raise DataError(f"this needs the examples of {self._name}: {self._reason}")


def stand_in(name: str, arguments: dict[str, Any], reason: str) -> Dataset | None:
    """A data set of this shape whose examples raise DataError; None where the shape is not known.

    Args:
      name: of a loader.
      arguments: of loaders, by name.
      reason: why the examples are not there, for the message.
    """
    if name not in SHAPES:
        return None
    wanted = inspect.signature(SHAPES[name]).parameters
    shape = SHAPES[name](**{key: arguments[key] for key in wanted})
    if not np.all(shape):
        return None
    nothing = Absent(name, reason)
    return Dataset(name, nothing, nothing, shape, LEVELS.get(name, 256), UNKNOWN)
