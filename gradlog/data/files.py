"""The user's own arrays, from .npy and .npz files."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32, Shaped

from gradlog.data.arrays import Arrays, open_arrays
from gradlog.data.dataset import DataError, Dataset, from_arrays, split_indices
from gradlog.data.file_labels import as_arguments, read_labels_of

KEYS = {"train": ("train", "images", "x"), "test": ("test", "images", "x")}
PAIRS = (("train", "test"), ("x_train", "x_test"))  # the second as in Keras's mnist.npz
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
    """Images (N, H, W, C) or (N, H, W), or vectors (N, d), from one file or two.

    Integer arrays hold levels 0..levels-1 and `levels` must be said: a likelihood in bits depends
    on it, and 8-bit files with fewer levels are common. Float arrays are continuous.

    Args:
      path: a .npy or .npz file. An .npz file with the keys 'train' and 'test', or 'x_train' and
        'x_test', holds both sets; else its array 'train', 'images' or 'x', or its only one, or the
        only one beside lists such as labels, is used.
      test_path: the test set, likewise ('test', 'images', 'x' or the only array); '' splits
        `path` at random.
      levels: 2 to 65,536; -1 means not given; 0 means continuous.
      test_fraction: of a random split, between 0 and 1.
      seed: of a random split, from 0 on.
      read_labels: whether to read the classes that lie beside the examples: see
        ``data.file_labels``.

    Raises:
      DataError: a missing, damaged or pickled file, an unfit array, levels that do not fit, or
        no labels where they are asked for.
    """
    if not path:
        raise DataError("config.data.path is not given; name a .npy or .npz file")
    train, test = read_sets(path, test_path)
    train = checked(train, path, levels)
    classes = [read_labels_of(path, "train", len(train))] if read_labels else []
    if test is None:
        parts = split_indices(len(train), test_fraction=test_fraction, seed=seed)
        classes = [labels[rows] for labels in classes for rows in parts]
        train, test = [train[rows] for rows in parts]
    else:
        test_path = test_path or path
        test = checked(test, test_path, levels)
        classes += [read_labels_of(test_path, "test", len(test))] if read_labels else []
    given = levels if levels > 0 else None
    return from_arrays(Path(path).name, train, test, levels=given, **as_arguments(classes))


def read_sets(path: str, test_path: str) -> tuple[np.ndarray, np.ndarray | None]:
    """The training and the test arrays as they are stored; None where none are set apart."""
    if test_path:
        return _read(path, "train"), _read(test_path, "test")
    with open_arrays(path) as arrays:
        for train, test in PAIRS:
            if train in arrays and test in arrays:
                return arrays[train], arrays[test]
        return _pick(arrays, path, "train"), None


def _read(path: str, split: str) -> np.ndarray:
    """The array of a file that holds a split, or of which one is made."""
    with open_arrays(path) as arrays:
        return _pick(arrays, path, split)


def _pick(arrays: Arrays, path: str, split: str) -> np.ndarray:
    for key in KEYS[split]:
        if key in arrays:
            return arrays[key]
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    if len(examples := [key for key in arrays if len(arrays.shape(key)) > 1]) == 1:
        return arrays[examples[0]]  # beside labels
    raise DataError(f"{path} holds the arrays {sorted(arrays)}; name one of them {KEYS[split]}")


def checked(array: np.ndarray, path: str, levels: int) -> Shaped[np.ndarray, "n *shape"]:
    """Examples in uint8, uint16 or float32, shaped (N, H, W, C) or (N, d)."""
    if array.dtype.kind not in "uibf":
        raise DataError(f"{path} holds {array.dtype}; integers or real numbers are needed")
    if array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise DataError(f"{path} has shape {array.shape}; (N, H, W, C), (N, H, W) or (N, d) needed")
    if array.ndim == 4 and _looks_channels_first(array.shape):
        raise DataError(
            f"{path} has shape {array.shape}, which looks like (N, C, H, W); transpose it to "
            "(N, H, W, C)"
        )
    array = array[..., None] if array.ndim == 3 else array
    return (
        _quantized(array, path, levels)
        if array.dtype.kind in "uib"
        else _continuous(array, path, levels)
    )


def _looks_channels_first(shape: tuple[int, ...]) -> bool:
    return shape[1] in (1, 3) and shape[2] == shape[3] > 4


def _quantized(array: np.ndarray, path: str, levels: int) -> np.ndarray:
    if levels == NOT_GIVEN:
        raise DataError(
            f"{path} holds integers; say how many levels they have with config.data.levels "
            "(256 for 8-bit images), or 0 to take them as continuous"
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


def _continuous(array: np.ndarray, path: str, levels: int) -> Float32[np.ndarray, "n *shape"]:
    if levels not in (NOT_GIVEN, 0):
        raise DataError(
            f"{path} holds {array.dtype} numbers, which are continuous: leave config.data.levels "
            f"out (it is {levels}), or save the levels as integers"
        )
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if not finite.all():
        raise DataError(
            f"{path} holds NaN or infinite numbers (as float32) in {np.sum(~finite)} of "
            f"{len(array)} examples, first in number {int(np.argmin(finite))}; remove them"
        )
    return array
