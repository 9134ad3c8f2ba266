"""Inspect a user's own data before they are loaded, to choose an experiment for them."""

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradlog.data.dataset import DataError
from gradlog.data.files import (
    MAX_LEVELS,
    NOT_GIVEN,
    check_examples,
    guess_axes,
    order_axes,
    read_sets,
)
from gradlog.data.folder import find_images
from gradlog.data.image_files import survey_images

NUMBERS = 100_000  # how many floats are examined for levels ...
ROWS = 1024  # ... and how many of each column or channel at least: four times 8 bits' levels
REPEATED = 2  # floats that repeat this often on average are levels
# Bounds on mean and std of continuous data, so that noise of unit size suits them.
LARGEST_MEAN, STDS = 10.0, (0.1, 10.0)
BITS8 = 256
# How 8-bit images become floats; after a resize to the same size, or in float16, they are no longer
# equal to levels, but nearly.
_NEARLY_LEVELS = {
    "x": lambda x: x,
    "255 * x": lambda x: 255 * x,
    "127.5 * (x + 1)": lambda x: 127.5 * (x + 1),
}
NEARLY = 0.05  # continuous numbers lie farther from a whole one, but for one in ten
# Bits of a float16's or a bfloat16's fraction, at most: such numbers repeat without being levels.
HALF_BITS = 11


@dataclass(frozen=True)
class Inspection:
    """The facts that the choice of an experiment depends on.

    Attributes:
      loader: 'folder' or 'files', a key of ``DATASETS``.
      path: absolute path.
      shape: shape of one example, (H, W, C) or (d,). If the images of a folder differ in size, the
        smallest height and the smallest width.
      same_shape: whether all examples have this shape.
      levels: number of levels of integers; None for continuous data.
      std: standard deviation of all numbers of continuous data; 0 for other data.
      num_train: number of training examples, before any are split off as a test set.
    """

    loader: str
    path: str
    shape: tuple[int, ...]
    same_shape: bool
    levels: int | None
    std: float
    num_train: int


def inspect_data(path: str) -> Inspection:
    """Inspect a folder of images, or an .npy or .npz file.

    Raises:
      DataError: nothing is there, or a model cannot be trained on the data as they are.
    """
    place = Path(os.path.expanduser(path)).absolute()
    if not place.exists():
        raise DataError(
            f"there is no folder and no file {path}; name a folder of images or a file of arrays"
        )
    if place.is_dir():
        return _inspect_images(str(place), find_images(place).sets[0])
    return _inspect_file(str(place), place.stat().st_mtime_ns)


def _inspect_images(path: str, files: list[Path]) -> Inspection:
    shapes = survey_images(files).shapes  # of all: one color image among gray ones counts
    heights, widths, channels = zip(*shapes, strict=True)
    same_size = len({shape[:2] for shape in shapes}) == 1
    shape = (min(heights), min(widths), max(channels))
    return Inspection("folder", path, shape, same_size, BITS8, 0.0, len(files))


# The cache: a configuration is read several times, and data that change are inspected again.
@functools.lru_cache(maxsize=1)
def _inspect_file(path: str, _changed: int) -> Inspection:
    sets = read_sets(path, "")
    arrays = [array for array in (sets.train, sets.test) if array is not None]
    levels = max(_find_levels(array, path) for array in arrays)
    # Whoever loads the data must say what the axes are, if that is a guess.
    array = check_examples(order_axes(sets.train, path, guess_axes(sets.train)), path, levels)
    shape, std = array.shape[1:], 0.0
    if levels == NOT_GIVEN:
        _check_continuous(array, path)
        std = float(array.std(dtype=np.float64))
    known_levels = None if levels == NOT_GIVEN else levels
    return Inspection("files", path, shape, True, known_levels, std, len(array))


def _find_levels(array: np.ndarray, path: str) -> int:
    """Return 256 if the largest value needs 8 bits, else as many levels as the values need."""
    if array.dtype.kind not in "uib" or array.size == 0:
        return NOT_GIVEN
    smallest, largest = int(array.min()), int(array.max())
    if smallest < 0 or largest >= MAX_LEVELS:
        raise DataError(
            f"{path} holds integers from {smallest} to {largest}, but levels lie in 0 .. "
            f"{MAX_LEVELS - 1}: save x - x.min() if they are levels, or x as floats of mean 0 and "
            "standard deviation 1 if they are continuous"
        )
    return BITS8 if BITS8 // 2 <= largest < BITS8 else max(largest + 1, 2)


def _check_continuous(array: np.ndarray, path: str) -> None:
    """Raise a DataError for floats that are levels, or whose size does not suit unit noise."""
    columns = array.reshape(-1, array.shape[-1])  # of points; the channels of images
    columns = columns[: max(NUMBERS // columns.shape[1], ROWS)]
    (distinct,) = _count_distinct(columns.reshape(-1, 1))
    if distinct <= _most_levels(columns.ravel()):
        raise DataError(
            f"{path} holds floats with only {distinct} different values. They are levels, whose "
            "density is infinite: save the levels themselves as integers from 0, such as "
            "np.rint(255 * x).astype('uint8') for 8-bit images that were divided by 255"
        )
    what = "column" if array.ndim == 2 else "channel"
    whole = array.reshape(-1, array.shape[-1])
    if constant := np.flatnonzero(np.ptp(whole, axis=0) == 0).tolist():
        raise DataError(
            f"{path} holds one number in all rows of {what}s {constant[:10]}, so that its density "
            f"is infinite: leave out {len(constant)} of {len(whole[0])} {what}s, with "
            "x[..., np.ptp(x.reshape(-1, x.shape[-1]), axis=0) > 0]"
        )
    nearly = (name for name, levels in _NEARLY_LEVELS.items() if _is_nearly_whole(levels(columns)))
    if name := next(nearly, ""):
        raise DataError(
            f"{path} holds floats that are nearly levels: {name} differs from whole numbers by "
            f"less than {NEARLY}. Their density is nearly infinite: save np.rint({name}) as "
            "integers"
        )
    counts = _count_distinct(columns)
    for number, (column, distinct) in enumerate(zip(columns.T, counts, strict=True)):
        if distinct <= _most_levels(column):
            raise DataError(
                f"{path} holds floats with only {distinct} different values in {what} {number}. "
                "They are levels, whose density is infinite: save all as integers from 0, or "
                f"leave out that {what}, or add uniform noise as wide as the levels to it"
            )
    axes = 0 if array.ndim == 2 else None
    mean, std = np.abs(array.mean(axes, np.float64)), array.std(axes, np.float64)
    if mean.max() > LARGEST_MEAN or std.min() < STDS[0] or std.max() > STDS[1]:
        what = "columns" if array.ndim == 2 else "numbers"
        raise DataError(
            f"{path} holds {what} with means up to {mean.max():.3g} and standard deviations from "
            f"{std.min():.3g} to {std.max():.3g}; save x = (x - x.mean(0)) / x.std(0), and add "
            "the mean of log2(std) to the bits/dim (of images, one mean and one std for all)"
        )


def _is_nearly_whole(numbers: np.ndarray) -> bool:
    """Return whether all numbers lie near whole ones, of which there are several."""
    levels = np.rint(numbers)
    return bool(np.ptp(levels) > 1 and np.abs(numbers - levels).max() < NEARLY)


def _count_distinct(columns: np.ndarray) -> np.ndarray:
    """Return how many different values each column holds."""
    return 1 + np.count_nonzero(np.diff(np.sort(columns, axis=0), axis=0), axis=0)


def _most_levels(numbers: np.ndarray) -> int:
    """Return up to how many different values these numbers are repeated levels."""
    repeated, scaled = len(numbers) // REPEATED, np.frexp(numbers)[0] * 2**HALF_BITS
    half_precision = np.all(scaled == np.rint(scaled))
    return min(BITS8, repeated) if half_precision else repeated
