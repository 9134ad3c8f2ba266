"""Classes that lie in an .npz file beside its examples."""

from typing import Any

import numpy as np
from jaxtyping import Int

from gradlog.data.arrays import open_arrays
from gradlog.data.dataset import DataError

NAMES = {
    "train": ("train_labels", "y_train", "labels", "label", "y", "target"),
    "test": ("test_labels", "y_test", "labels", "label", "y", "target"),
}


def read_labels_of(path: str, split: str, count: int) -> Int[np.ndarray, " n"]:
    """A class 0, 1, ... of each example.

    Args:
      path: of the file.
      split: 'train' or 'test'.
      count: of the examples.

    Raises:
      DataError: the file holds none, or not one whole number from 0 on for each example.
    """
    with open_arrays(path) as arrays:
        name = next((name for name in NAMES[split] if name in arrays), None)
        if name is None:
            raise DataError(
                f"config.data.read_labels = True, but {path} holds the arrays {sorted(arrays)}; "
                f"name that of the labels one of {NAMES[split]}"
            )
        labels = arrays[name].squeeze()
    if labels.shape != (count,) or labels.dtype.kind not in "uib" or labels.min() < 0:
        raise DataError(
            f"{path}, array {name!r}, has shape {labels.shape} of {labels.dtype}; classes are "
            f"needed, whole numbers from 0 on, for {count} examples"
        )
    return labels.astype(np.int64)


def as_arguments(classes: list[Int[np.ndarray, " n"]]) -> dict[str, Any]:
    """What ``data.dataset.from_arrays`` is told of the classes of both sets, if there are any."""
    if not classes:
        return {}
    train, test = classes
    count = int(max(train.max(), test.max())) + 1
    return {"num_classes": count, "train_labels": train, "test_labels": test}
