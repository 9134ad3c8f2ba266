"""Inspect a user's own data before they are loaded, to choose an experiment for them."""

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradlog.data.continuous import check_density, check_scale
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
from gradlog.data.text import ENDINGS

BITS8 = 256


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
    if place.is_file() and place.suffix.lower() in ENDINGS:
        advice = "; if it is a table of numbers, save them as .npy, by numpy.loadtxt and numpy.save"
        raise DataError(
            f"{path} is a text; --config=configs/discrete/text.py --config.data.path={path} models "
            "it as characters" + advice * (place.suffix.lower() in (".csv", ".txt"))
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
        for each in arrays:
            check_density(each.reshape(len(each), *shape), path)
            check_scale(each.reshape(len(each), *shape), path)
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
