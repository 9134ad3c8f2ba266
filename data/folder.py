"""A folder of image files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from data.dataset import DataError, Dataset, from_arrays, split_indices

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
MODES = {1: "L", 3: "RGB"}


def load_folder(
    *,
    path: str = "",
    image_size: int = 0,
    channels: int = 0,
    test_fraction: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """8-bit images (H, W, channels) with 256 levels, in memory, ordered by file name.

    Files are searched in all subfolders. If there are subfolders train/ and test/, they are the
    two sets, and nothing else is read; else the images are split at random.

    Args:
      path: the folder.
      image_size: the side of square images, cut from the centre and resized by averaging; 0 takes
        the images as they are, and they must have one size.
      channels: 1 or 3, to which images are converted (transparency is dropped); 0 takes greyscale
        or RGB images as they are, and they must be all of one kind.
      test_fraction: of a random split, between 0 and 1.
      seed: of a random split, from 0 on.

    Raises:
      DataError: no folder, no images, an unreadable file, or images that do not match.
    """
    if channels not in (0, *MODES) or image_size < 0:
        raise DataError(
            f"config.data.channels = {channels} must be 0, 1 or 3, and image_size = {image_size} "
            "must not be negative"
        )
    place = Path(path).expanduser()
    if not path or not place.is_dir():
        raise DataError(f"config.data.path = {path!r} is not a folder; name a folder of images")
    if (place / "train").is_dir() and (place / "test").is_dir():
        train = _read_all(_image_files(place / "train"), image_size, channels)
        test = _read_all(_image_files(place / "test"), image_size, channels)
    else:
        images = _read_all(_image_files(place), image_size, channels)
        rows, test_rows = split_indices(len(images), test_fraction=test_fraction, seed=seed)
        train, test = images[rows], images[test_rows]
    return from_arrays(place.name, train, test, levels=256)


def _image_files(place: Path) -> list[Path]:
    files = sorted(f for f in place.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file())
    if not files:
        raise DataError(f"{place} holds no images ({', '.join(sorted(SUFFIXES))})")
    return files


def _read_all(
    files: Sequence[Path], image_size: int, channels: int
) -> UInt8[np.ndarray, "n H W C"]:
    first = _read(files[0], image_size, channels)
    images = np.empty((len(files), *first.shape), np.uint8)
    for row, file in enumerate(files):
        image = _read(file, image_size, channels)
        if image.shape != first.shape:
            raise DataError(
                f"{file} is {image.shape} (height, width, channels), {files[0]} is {first.shape}; "
                "set config.data.image_size and config.data.channels to make all alike"
            )
        images[row] = image
    return images


def _read(file: Path, image_size: int, channels: int) -> UInt8[np.ndarray, "H W C"]:
    try:
        with Image.open(file) as opened:
            image = _with_channels(ImageOps.exif_transpose(opened), channels, file)
            image = _square(image, image_size) if image_size else image
    # Pillow reports damaged files by any of these, among them SyntaxError for a broken PNG.
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"{file} cannot be read as an image ({error}); remove it") from error
    return np.asarray(image, np.uint8).reshape(image.height, image.width, -1)


def _with_channels(image: Image.Image, channels: int, file: Path) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        raise DataError(
            f"{file} has more than 8 bits a channel, which would be cut off; save such images as "
            "a .npy file and use config.data.name = 'files'"
        )
    if channels:
        return image.convert(MODES[channels])
    if image.mode not in MODES.values():
        raise DataError(
            f"{file} is neither greyscale nor RGB (mode {image.mode}); set config.data.channels to "
            "1 or 3 to convert it"
        )
    return image


def _square(image: Image.Image, image_size: int) -> Image.Image:
    return ImageOps.fit(image, (image_size, image_size), Image.Resampling.BOX)
