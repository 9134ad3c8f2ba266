"""The user's own arrays, from .npy and .npz files."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32, Shaped

from gradlog.data.array_files import Arrays, open_arrays
from gradlog.data.classes import index_labels
from gradlog.data.dataset import DataError, Dataset, from_arrays, split_indices

PAIRS = (("train", "test"), ("x_train", "x_test"))  # the second as in Keras's mnist.npz
NAMES = {"train": ("train", "images", "x"), "test": ("test", "images", "x")}
LABEL_NAMES = {
    "train": ("train_labels", "y_train", "labels", "label", "y", "target"),
    "test": ("test_labels", "y_test", "labels", "label", "y", "target"),
}
LARGEST_LABEL = 2**63 - 1
MAX_LEVELS = 65_536
NOT_GIVEN = -1


def load_files(
    *,
    path: str = "",
    test_path: str = "",
    levels: int = NOT_GIVEN,
    test_fraction: float = 0.1,
    seed: int = 0,
    read_labels: bool = False,
) -> Dataset:
    """Load images (N, H, W, C) or (N, H, W), or vectors (N, d), from one file or two.

    Integer arrays hold levels 0..levels-1, and you must set `levels`: a likelihood in bits depends
    on it, and 8-bit files with fewer levels are common. Float arrays are continuous.

    Args:
      path: an .npy or .npz file. An .npz file with arrays named 'train' and 'test', or 'x_train'
        and 'x_test', holds both sets. Otherwise the array 'train', 'images' or 'x' is used, or the
        only array, or the only one of more than one dimension (the others may be labels).
      test_path: the test set, likewise ('test', 'images', 'x' or the only array); '' splits
        `path` at random.
      levels: 2 to 65,536; 0 means continuous; -1 means not given.
      test_fraction: share of the test set in a random split, between 0 and 1.
      seed: seed of a random split; 0 or more.
      read_labels: whether to read the labels from the array 'train_labels', 'y_train', 'labels',
        'label', 'y' or 'target' of the file ('test_labels', 'y_test', ... for the test set). They
        are whole numbers or texts, and the classes are those that occur.

    Raises:
      DataError: a missing, damaged or pickled file, an array of a wrong shape or type, levels that
        do not fit, or missing labels.
    """
    if not path:
        raise DataError("config.data.path is empty; set it to an .npy or .npz file")
    train, test = read_sets(path, test_path)
    train = check_examples(train, path, levels)
    labels = [_read_labels(path, "train", len(train))] if read_labels else []
    if test is None:
        parts = split_indices(len(train), test_fraction=test_fraction, seed=seed)
        labels = [array[rows] for array in labels for rows in parts]
        train, test = [train[rows] for rows in parts]
    else:
        test_path = test_path or path
        test = check_examples(test, test_path, levels)
        labels += [_read_labels(test_path, "test", len(test))] if read_labels else []
    name = Path(path).name
    return from_arrays(
        name,
        train,
        test,
        levels=levels if levels > 0 else None,
        **(index_labels(name, *labels)._asdict() if labels else {}),
    )


def read_sets(path: str, test_path: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Read the training and the test arrays as stored. The second is None if there is one set.

    Raises:
      DataError: a file cannot be read, or does not say which of its arrays to use.
    """
    with open_arrays(path) as arrays:
        if not test_path:
            for train, test in PAIRS:
                if train in arrays and test in arrays:
                    return arrays[train], arrays[test]
        train_array = arrays[_choose_array(arrays, path, "train")]
    if not test_path:
        return train_array, None
    with open_arrays(test_path) as arrays:
        return train_array, arrays[_choose_array(arrays, test_path, "test")]


def _choose_array(arrays: Arrays, path: str, split: str) -> str:
    """Return the name of the array that holds the examples."""
    for name in NAMES[split]:
        if name in arrays:
            return name
    if len(arrays) == 1:
        return next(iter(arrays))
    if len(large := [name for name in arrays if len(arrays.shape(name)) > 1]) == 1:
        return large[0]  # the others may be labels
    raise DataError(
        f"{path} holds the arrays {sorted(arrays)}; rename the one with the examples to one of "
        f"{NAMES[split]}"
    )


def _read_labels(path: str, split: str, count: int) -> Shaped[np.ndarray, " n"]:
    """Read one label for each of `count` examples: whole numbers as int64, or texts."""
    with open_arrays(path) as arrays:
        name = next((name for name in LABEL_NAMES[split] if name in arrays), None)
        if name is None:
            raise DataError(
                f"config.data.read_labels = True, but {path} holds only the arrays "
                f"{sorted(arrays)}; save examples and labels in one .npz file, the labels as one "
                f"of {LABEL_NAMES[split]}"
            )
        labels = arrays[name]
    where = f"{path}, array {name!r},"
    if labels.shape != (count, *[1] * (labels.ndim - 1)) or labels.dtype.kind not in "uibUS":
        raise DataError(
            f"{where} has shape {labels.shape} and type {labels.dtype}; labels must be one whole "
            f"number of 0 or more, or one text, for each of {count} examples. Of one-hot rows save "
            "labels.argmax(1), of whole floats labels.astype(int)"
        )
    labels = labels.reshape(count)
    if labels.dtype.kind == "U":
        return labels
    if labels.dtype.kind == "S":
        return np.char.decode(labels, "utf-8", "backslashreplace")
    low, high = int(labels.min()), int(labels.max())  # before the cast, which would wrap
    if low < 0 or high > LARGEST_LABEL:
        raise DataError(
            f"{where} holds labels from {low} to {high}; 0 to {LARGEST_LABEL} are "
            "possible: leave out the examples without a class, whose label often is -1"
        )
    return labels.astype(np.int64)


def check_examples(array: np.ndarray, path: str, levels: int) -> Shaped[np.ndarray, "n *shape"]:
    """Return examples as uint8, uint16 or float32, shaped (N, H, W, C) or (N, d).

    Raises:
      DataError: the type, the shape or the values of the array do not fit.
    """
    if array.dtype.kind not in "uibf":
        raise DataError(f"{path} holds {array.dtype}; integers or real numbers are needed")
    if array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise DataError(
            f"{path} has shape {array.shape}; (N, H, W, C), (N, H, W) or (N, d) is needed"
        )
    shape = array.shape
    if array.ndim == 4 and shape[1] in (1, 3) and shape[2] == shape[3] > 4:
        raise DataError(
            f"{path} has shape {shape}, which looks like (N, C, H, W); transpose it to (N, H, W, C)"
        )
    array = array[..., None] if array.ndim == 3 else array
    if array.dtype.kind == "f":
        return _check_continuous(array, path, levels)
    if levels == NOT_GIVEN:
        raise DataError(
            f"{path} holds integers; set config.data.levels to their number of levels (256 for "
            "8-bit images), or to 0 to use them as continuous numbers"
        )
    if levels == 0:
        return array.astype(np.float32)
    if not 2 <= levels <= MAX_LEVELS:
        raise DataError(f"config.data.levels = {levels}; choose 2 to {MAX_LEVELS}, or 0")
    low, high = array.min(), array.max()
    if low < 0 or high >= levels:
        raise DataError(
            f"{path} holds values from {low} to {high}; config.data.levels = {levels} means "
            f"0 to {levels - 1}"
        )
    return array.astype(np.uint8 if levels <= 256 else np.uint16)


def _check_continuous(array: np.ndarray, path: str, levels: int) -> Float32[np.ndarray, "n *shape"]:
    if levels not in (NOT_GIVEN, 0):
        raise DataError(
            f"{path} holds {array.dtype} numbers, which are continuous, but config.data.levels = "
            f"{levels}; leave it out, or save the levels as integers"
        )
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if not finite.all():
        raise DataError(
            f"{path} holds NaN or infinite numbers (as float32) in {np.sum(~finite)} of "
            f"{len(array)} examples, the first at index {int(np.argmin(finite))}; remove them"
        )
    return array
