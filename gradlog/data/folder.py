"""A folder of image files."""

import contextlib
import functools
import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image, ImageOps

from gradlog.data.dataset import (
    DataError,
    Dataset,
    fingerprint_of_arrays,
    from_arrays,
    split_indices,
)
from gradlog.data.records import NUM_FINGERPRINTED

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
# What Pillow tells of damaged and of very large files beside the one line of an error.
warnings.filterwarnings("ignore", module="PIL")
MODES = {1: "L", 3: "RGB"}
LARGEST = 8192  # side of an image; Pillow refuses files of more than 179 million pixels
IN_MEMORY = 4 << 30  # bytes: CelebA at 64 x 64 is held, LSUN at 256 x 256 is read as it is used
READERS = 8  # Pillow decodes outside Python's lock


def load_folder(
    *,
    path: str = "",
    image_size: int = 0,
    channels: int = 0,
    test_fraction: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """8-bit images (H, W, channels) with 256 levels, ordered by file name.

    In memory if they take up to IN_MEMORY bytes, else decoded as they are asked for. Files are
    searched in all subfolders; those whose name, or whose folder's, begins with a dot are left out
    (systems write pictures of their own there, and ._1.jpg beside 1.jpg, which is none). If there
    are subfolders train/ and test/, they are the two sets, and nothing else is read; else the
    images are split at random.

    Args:
      path: the folder.
      image_size: the side of square images, cut from the center and resized by averaging; 0 takes
        the images as they are, and they must have one size.
      channels: 1 or 3, to which images are converted (transparency is dropped); 0 takes grayscale
        or RGB images as they are, and they must be all of one kind.
      test_fraction: of a random split, between 0 and 1.
      seed: of a random split, from 0 on.

    Raises:
      DataError: no folder, no images, an unreadable file, or images that do not match.
    """
    if channels not in (0, *MODES) or not 0 <= image_size <= LARGEST:
        raise DataError(
            f"config.data.channels = {channels} must be 0, 1 or 3, and image_size = {image_size} "
            f"lie in 0 .. {LARGEST}"
        )
    place = Path(os.path.expanduser(path))
    if not path or not place.is_dir():
        raise DataError(f"config.data.path = {path!r} is not a folder; name a folder of images")
    if _is_split(place):
        files = [_image_files(place / split) for split in ("train", "test")]
    else:
        every = np.array(_image_files(place))
        parts = split_indices(len(every), test_fraction=test_fraction, seed=seed)
        files = [every[rows].tolist() for rows in parts]
    read = functools.partial(_read, image_size=image_size, channels=channels)
    train, test = (ImageFiles(part, read, like=files[0][0]) for part in files)
    shape = train.shape
    if (len(train) + len(test)) * math.prod(shape) <= IN_MEMORY:
        return from_arrays(place.name, train.all(), test.all(), levels=256)
    return Dataset(place.name, train, test, shape, 256, _fingerprint(train, test))


def training_files(place: Path) -> list[Path]:
    """Those of train/ where that and test/ are set apart, else all: by name.

    Raises:
      DataError: there are none.
    """
    return _image_files(place / "train" if _is_split(place) else place)


def header_of(file: Path) -> tuple[int, int, int]:
    """Height, width and channels (1 or 3, as it would be converted) of an image not yet decoded.

    Raises:
      DataError: it is no image, or has more than 8 bits a channel.
    """
    with _opened(file) as image:
        _check_depth(image, file)
        return image.height, image.width, 1 if image.mode in ("1", "L", "LA") else 3


class ImageFiles:
    """Images that are decoded as they are asked for, several at once.

    Raises, when an image is asked for:
      DataError: it cannot be read, or is of another shape.
    """

    def __init__(self, files: Sequence[Path], read: Callable[[Path], np.ndarray], like: Path):
        self.files = files
        self.shape = read(like).shape
        self._read = read
        self._like = like

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, indices: Int[np.ndarray, " n"]) -> UInt8[np.ndarray, "n H W C"]:
        wanted = [self.files[index] for index in np.asarray(indices).tolist()]
        images = np.empty((len(wanted), *self.shape), np.uint8)
        with ThreadPoolExecutor(READERS) as readers:
            for row, (file, image) in enumerate(
                zip(wanted, readers.map(self._read, wanted), strict=True)
            ):
                self._check(file, image)
                images[row] = image
        return images

    def all(self) -> UInt8[np.ndarray, "n H W C"]:
        """Every image, in memory."""
        return self[np.arange(len(self))]

    def _check(self, file: Path, image: np.ndarray) -> None:
        if image.shape != self.shape:
            raise DataError(
                f"{file} is {image.shape} (height, width, channels), {self._like} is {self.shape}; "
                "set config.data.image_size and config.data.channels to make all alike"
            )


def _fingerprint(*sources: ImageFiles) -> str:
    """Of the number of files, their names, and the decoded images of 256 evenly spaced ones."""
    parts = []
    for source in sources:
        names = "\n".join(file.name for file in source.files)
        count = min(len(source), NUM_FINGERPRINTED)
        spaced = np.linspace(0, len(source) - 1, count).astype(np.int64)
        parts += [np.frombuffer(names.encode(), np.uint8), source[spaced]]
    return fingerprint_of_arrays(256, *parts)


def _is_split(place: Path) -> bool:
    return (place / "train").is_dir() and (place / "test").is_dir()


def _image_files(place: Path) -> list[Path]:
    files = sorted(f for f in place.rglob("*") if _is_meant(f.relative_to(place)) and f.is_file())
    if not files:
        raise DataError(f"{place} holds no images ({', '.join(sorted(SUFFIXES))})")
    return files


def _is_meant(file: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.parts)
    return file.suffix.lower() in SUFFIXES and not hidden


def _read(file: Path, image_size: int, channels: int) -> UInt8[np.ndarray, "H W C"]:
    with _opened(file) as opened:
        image = _with_channels(ImageOps.exif_transpose(opened), channels, file)
        image = _square(image, image_size) if image_size else image
        return np.asarray(image, np.uint8).reshape(image.height, image.width, -1)


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[Image.Image]:
    """The image of a file; raises DataError, also for what the block raises as it decodes."""
    try:
        with Image.open(file) as image:
            yield image
    except DataError:
        raise
    # On damaged files Pillow and its plugins raise errors of nearly every kind.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{file} cannot be read as an image ({reason}); remove it") from error


def _with_channels(image: Image.Image, channels: int, file: Path) -> Image.Image:
    _check_depth(image, file)
    if channels:
        return image.convert(MODES[channels])
    if image.mode not in MODES.values():
        raise DataError(
            f"{file} is neither grayscale nor RGB (mode {image.mode}); set config.data.channels to "
            "1 or 3 to convert it"
        )
    return image


def _check_depth(image: Image.Image, file: Path) -> None:
    if image.mode.startswith(("I", "F")):
        raise DataError(
            f"{file} has more than 8 bits a channel, which would be cut off; save such images as "
            "a .npy file and use config.data.name = 'files'"
        )


def _square(image: Image.Image, image_size: int) -> Image.Image:
    return ImageOps.fit(image, (image_size, image_size), Image.Resampling.BOX)
