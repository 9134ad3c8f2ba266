"""What a user's own data are, before they are loaded: enough to choose an experiment for them."""

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.dataset import DataError
from data.files import NOT_GIVEN, checked, read_sets
from data.folder import header_of, training_files

HEADERS = 200  # files of a folder that are opened: those between them are converted alike
NUMBERS = 100_000  # of an array of floats, looked at for levels
REPEATED = 2  # times that levels in disguise occur on average, at least
# What the mean and the standard deviation of continuous data may be for noise of unit size.
LARGEST_MEAN, STDS = 10.0, (0.1, 10.0)
BITS8 = 256


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
    files = training_files(place)
    spaced = np.linspace(0, len(files) - 1, min(len(files), HEADERS)).astype(int)
    found = [header_of(files[index]) for index in spaced]
    sizes = {(height, width) for height, width, _ in found}
    channels = max(channels for *_, channels in found)
    shape = (min(height for height, _ in sizes), min(width for _, width in sizes), channels)
    return Look("folder", str(place), shape, len(sizes) == 1, BITS8, 0.0, len(files))


@functools.lru_cache(maxsize=1)  # a configuration is read several times
def _look_at_file(path: str, _changed: int) -> Look:
    train, test = read_sets(path, "")
    levels = _levels(train) if test is None else max(_levels(train), _levels(test))
    array = checked(train, path, levels)
    continuous = levels == NOT_GIVEN
    if continuous:
        _check_continuous(array, path)
    std = float(array.std(dtype=np.float64)) if continuous else 0.0
    shape = array.shape[1:]
    return Look("files", path, shape, True, None if continuous else levels, std, len(array))


def _levels(array: np.ndarray) -> int:
    """Those of 8-bit images where the largest value needs all 8 bits, else up to the largest."""
    if array.dtype.kind not in "uib" or array.size == 0:
        return NOT_GIVEN
    largest = int(array.max())
    return BITS8 if BITS8 // 2 <= largest < BITS8 else max(largest + 1, 2)


def _check_continuous(array: np.ndarray, path: str) -> None:
    numbers = array.ravel()[:NUMBERS]
    distinct = len(np.unique(numbers))
    if distinct <= min(BITS8, len(numbers) // REPEATED):
        raise DataError(
            f"{path} holds floats with only {distinct} different values: of levels, whose density "
            "is infinite; save the levels themselves as integers from 0 on, such as "
            "np.rint(255 * x).astype('uint8') where 8-bit images were divided by 255"
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
