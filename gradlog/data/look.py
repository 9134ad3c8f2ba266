"""What a user's own data are, before they are loaded: enough to choose an experiment for them."""

import functools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradlog.data.dataset import DataError
from gradlog.data.files import MAX_LEVELS, NOT_GIVEN, checked, read_sets
from gradlog.data.folder import READERS, header_of, training_files

NUMBERS = 100_000  # of an array of floats, looked at for levels
ROWS = 1024  # of each column or channel, at least: for 8 bits, four times their levels
REPEATED = 2  # times that levels in disguise occur on average, at least
# What the mean and the standard deviation of continuous data may be for noise of unit size.
LARGEST_MEAN, STDS = 10.0, (0.1, 10.0)
BITS8 = 256
# Bits of a float16's or a bfloat16's fraction, at most: such numbers repeat, and are no levels.
HALF_BITS = 11


@dataclass(frozen=True)
class Look:
    """What was found.

    Attributes:
      loader: 'folder' or 'files', a key of ``DATASETS``.
      path: absolute.
      shape: of one example: (H, W, C) or (d,). Of a folder whose images differ, the smallest
        height and width among them.
      alike: whether all examples have this shape.
      levels: of integers; None for continuous data.
      std: of continuous data over all their numbers; 0 for others.
      num_train: training examples, before any are held out.
    """

    loader: str
    path: str
    shape: tuple[int, ...]
    alike: bool
    levels: int | None
    std: float
    num_train: int


def look_at(path: str) -> Look:
    """A folder of images, or a .npy or .npz file.

    Raises:
      DataError: there is no such thing, or none that can be learned from as it is.
    """
    place = Path(os.path.expanduser(path)).absolute()
    if not place.exists():
        raise DataError(f"there is no folder and no file {path}; name one of images or of arrays")
    if place.is_dir():
        return _look_at_folder(place)
    return _look_at_file(str(place), place.stat().st_mtime_ns)


def _look_at_folder(place: Path) -> Look:
    files = tuple(training_files(place))
    return _look_at_images(str(place), files, max(file.stat().st_mtime_ns for file in files))


@functools.lru_cache(maxsize=1)  # a configuration is read several times
def _look_at_images(path: str, files: tuple[Path, ...], _changed: int) -> Look:
    with ThreadPoolExecutor(READERS) as readers:  # all: one in color among gray ones counts
        found = set(readers.map(header_of, files))
    sizes = {(height, width) for height, width, _ in found}
    channels = max(channels for *_, channels in found)
    shape = (min(height for height, _ in sizes), min(width for _, width in sizes), channels)
    return Look("folder", path, shape, len(sizes) == 1, BITS8, 0.0, len(files))


@functools.lru_cache(maxsize=1)
def _look_at_file(path: str, _changed: int) -> Look:
    train, test = read_sets(path, "")
    sets = [train] if test is None else [train, test]
    levels = max(_levels(array, path) for array in sets)
    array = checked(train, path, levels)
    continuous = levels == NOT_GIVEN
    if continuous:
        _check_continuous(array, path)
    std = float(array.std(dtype=np.float64)) if continuous else 0.0
    shape = array.shape[1:]
    return Look("files", path, shape, True, None if continuous else levels, std, len(array))


def _levels(array: np.ndarray, path: str) -> int:
    """Those of 8-bit images where the largest value needs all 8 bits, else up to the largest."""
    if array.dtype.kind not in "uib" or array.size == 0:
        return NOT_GIVEN
    smallest, largest = int(array.min()), int(array.max())
    if smallest < 0 or largest >= MAX_LEVELS:
        raise DataError(
            f"{path} holds integers from {smallest} to {largest}, and levels lie in 0 .. "
            f"{MAX_LEVELS - 1}: save x - x.min() if they are levels, or x as floats of mean 0 and "
            "standard deviation 1 if they are continuous"
        )
    return BITS8 if BITS8 // 2 <= largest < BITS8 else max(largest + 1, 2)


def _check_continuous(array: np.ndarray, path: str) -> None:
    _check_distinct(array, path)
    axes = 0 if array.ndim == 2 else None
    mean, std = np.abs(array.mean(axes, np.float64)), array.std(axes, np.float64)
    if mean.max() > LARGEST_MEAN or std.min() < STDS[0] or std.max() > STDS[1]:
        what = "columns" if array.ndim == 2 else "numbers"
        raise DataError(
            f"{path} holds {what} with means up to {mean.max():.3g} and standard deviations from "
            f"{std.min():.3g} to {std.max():.3g}; save x = (x - x.mean(0)) / x.std(0), and add "
            "the mean of log2(std) to the bits/dim (of images, one mean and one std for all)"
        )


def _check_distinct(array: np.ndarray, path: str) -> None:
    """That no column of points and no channel of images holds levels, nor all of them together."""
    columns = array.reshape(-1, array.shape[-1])
    columns = columns[: max(NUMBERS // columns.shape[1], ROWS)]
    (alone,) = _distinct(columns.reshape(-1, 1))
    if alone <= _most_levels(columns.ravel()):
        raise DataError(
            f"{path} holds floats with only {alone} different values: of levels, whose density "
            "is infinite; save the levels themselves as integers from 0 on, such as "
            "np.rint(255 * x).astype('uint8') where 8-bit images were divided by 255"
        )
    for number, (column, found) in enumerate(zip(columns.T, _distinct(columns), strict=True)):
        if 1 < found <= _most_levels(column):  # a constant one is told by its standard deviation
            what = "column" if array.ndim == 2 else "channel"
            raise DataError(
                f"{path} holds floats with only {found} different values in {what} {number}: of "
                "levels, whose density is infinite; save all as integers from 0 on, or leave that "
                f"{what} out, or add uniform noise as wide as the levels to it"
            )


def _distinct(columns: np.ndarray) -> np.ndarray:
    """How many different values each column holds."""
    return 1 + np.count_nonzero(np.diff(np.sort(columns, axis=0), axis=0), axis=0)


def _most_levels(numbers: np.ndarray) -> int:
    """Up to how many different values are levels that repeat, and no continuous numbers."""
    repeated, scaled = len(numbers) // REPEATED, np.frexp(numbers)[0] * 2**HALF_BITS
    return min(BITS8, repeated) if np.all(scaled == np.rint(scaled)) else repeated
