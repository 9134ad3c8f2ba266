"""The user's own arrays, from .npy and .npz files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Shaped

from data.arrays import open_arrays
from data.dataset import DataError, Dataset, from_arrays, split_indices

KEYS = {"train": ("train", "images", "x"), "test": ("test", "images", "x")}
MAX_LEVELS = 65_536
NOT_GIVEN = -1


def load_files(
    *,
    path: str = "",
    test_path: str = "",
    levels: int = NOT_GIVEN,
    test_fraction: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Images (N, H, W, C) or (N, H, W), or vectors (N, d), from one file or two.

    Integer arrays hold levels 0..levels-1 and `levels` must be said: a likelihood in bits depends
    on it, and 8-bit files with fewer levels are common. Float arrays are continuous.

    Args:
      path: a .npy or .npz file. An .npz file with the keys 'train' and 'test' holds both sets;
        else its array 'train', 'images' or 'x', or its only one, is used.
      test_path: the test set, likewise ('test', 'images', 'x' or the only array); '' splits
        `path` at random.
      levels: 2 to 65,536; -1 means not given; 0 means continuous.
      test_fraction: of a random split, between 0 and 1.
      seed: of a random split, from 0 on.

    Raises:
      DataError: a missing, damaged or pickled file, an unfit array, or levels that do not fit.
    """
    if not path:
        raise DataError("config.data.path is not given; name a .npy or .npz file")
    train, test = _read_both(path, test_path)
    train = _checked(train, path, levels)
    if test is None:
        train_rows, test_rows = split_indices(len(train), test_fraction=test_fraction, seed=seed)
        train, test = train[train_rows], train[test_rows]
    else:
        test = _checked(test, test_path or path, levels)
    return from_arrays(Path(path).name, train, test, levels=levels if levels > 0 else None)


def _read_both(path: str, test_path: str) -> tuple[np.ndarray, np.ndarray | None]:
    if test_path:
        return _read(path, "train"), _read(test_path, "test")
    with open_arrays(path) as arrays:
        if "train" in arrays and "test" in arrays:
            return arrays["train"], arrays["test"]
        return _pick(arrays, path, "train"), None


def _read(path: str, split: str) -> np.ndarray:
    """The array of a file that holds a split, or of which one is made."""
    with open_arrays(path) as arrays:
        return _pick(arrays, path, split)


def _pick(arrays: Mapping[str, np.ndarray], path: str, split: str) -> np.ndarray:
    for key in KEYS[split]:
        if key in arrays:
            return arrays[key]
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    raise DataError(f"{path} holds the arrays {sorted(arrays)}; name one of them {KEYS[split]}")


def _checked(array: np.ndarray, path: str, levels: int) -> Shaped[np.ndarray, "n *shape"]:
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
        _quantised(array, path, levels)
        if array.dtype.kind in "uib"
        else _continuous(array, path, levels)
    )


def _looks_channels_first(shape: tuple[int, ...]) -> bool:
    return shape[1] in (1, 3) and shape[2] == shape[3] > 4


def _quantised(array: np.ndarray, path: str, levels: int) -> np.ndarray:
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
