"""Image files: the formats that are read, what their headers say, and their pixels in 8 bits.

Pillow reads many more formats, and starts other programs for some, and it chooses the format by the
contents. It cuts 16 bits a channel to 8, and spreads fewer than 8 over 0 .. 255. So the formats are
named, and each header is examined before the pixels are decoded.
"""

import contextlib
import errno
import functools
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from gradlog.data.array_files import check_fits, machine_bytes
from gradlog.data.dataset import DataError

T = TypeVar("T")
ENDINGS = {
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    *(".pbm", ".pgm", ".ppm", ".pnm"),
}
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
MODES = {1: "L", 3: "RGB"}
_TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")
_CONVERTED = ("CMYK", "YCbCr")  # to RGB; Pillow's other color modes are refused
_KNOWN = ("1", "L", "P", "RGB", *_TRANSPARENT, *_CONVERTED)
_BITS, _SAMPLES, _SIGNS, _SIGNED = 258, 277, 339, 2  # tags of TIFF, and a value of the last
READERS = 8  # threads; Pillow decodes outside Python's lock
_AT_ONCE = 4096  # files that wait for a reader, so that their number does not matter
_TOGETHER = 16  # files that a reader takes at once: a small image takes less time than its turn
_BYTES = 12  # for a pixel: decoded, turned and converted, with 4 bytes each
# A compressed file says little about the memory of its image. Images of more bytes are decoded one
# after another, by one thread, because the C library keeps what each thread has freed.
LARGE = 384 << 20
_LARGE_IMAGES = ThreadPoolExecutor(1)


@dataclass(frozen=True)
class Survey:
    """Facts from the headers of image files.

    Attributes:
      shapes: how many images have each height, width and number of channels (1 or 3, as after
        conversion), before the camera's orientation is applied.
      changes: how many images are read with each change, as a phrase.
    """

    shapes: Counter[tuple[int, int, int]]
    changes: Counter[str]


def survey_images(files: Sequence[Path]) -> Survey:
    """Examine the headers of image files, without decoding the images.

    Raises:
      DataError: a file is no image of 8 bits a channel.
    """
    return _survey_images(tuple(files), max(file.stat().st_mtime_ns for file in files))


# The cache: a configuration is read several times, and data that change are examined again.
@functools.lru_cache(maxsize=2)
def _survey_images(files: tuple[Path, ...], _changed: int) -> Survey:
    shapes, changes = Counter(), Counter()
    for shape, said in map_files(_read_header, files):
        shapes[shape] += 1
        changes.update(said)
    return Survey(shapes, changes)


def map_files(read: Callable[[Path], T], files: Sequence[Path]) -> Iterator[T]:
    """Apply a function to files, several at once, and return its results in order."""

    def read_some(start: int) -> list[T]:
        return [read(file) for file in files[start : start + _TOGETHER]]

    with ThreadPoolExecutor(READERS) as readers:
        for start in range(0, len(files), _AT_ONCE):
            stop = min(start + _AT_ONCE, len(files))
            for some in readers.map(read_some, range(start, stop, _TOGETHER)):
                yield from some


def _read_header(file: Path) -> tuple[tuple[int, int, int], list[str]]:
    """Return the shape of an image, and what reading it changes or leaves out."""
    with _open(file, file) as image:
        channels = 1 if image.mode in ("1", "L", "LA", "La") else 3
        changes = []
        if image.mode in _CONVERTED:
            changes.append(f"converted from {image.mode}")
        if image.mode != "P" and _count_bits(image) < 8:
            changes.append("spread from fewer levels over 0 .. 255")
        num_samples = image.tag_v2.get(_SAMPLES, 1) if isinstance(image, TiffImageFile) else 0
        has_more = num_samples > len(image.getbands())
        if image.mode in _TRANSPARENT or "transparency" in image.info or has_more:
            changes.append("without transparency")
        if getattr(image, "n_frames", 1) > 1:
            changes.append("by the first frame or page alone")
        return (image.height, image.width, channels), changes


def read_image(file: Path, image_size: int, channels: int) -> UInt8[np.ndarray, "H W C"]:
    """Decode an image, turned as the camera's orientation tag says.

    Args:
      file: the file.
      image_size: side of a square that is cut from the center and resized by averaging; 0 keeps
        the size.
      channels: 1 or 3 converts the image; 0 keeps gray and RGB images.

    Raises:
      DataError: it is no image of 8 bits a channel, it is neither gray nor RGB, or it would take
        more than the memory.
    """
    with _open(file, file) as image:
        if not channels and image.mode not in MODES.values():
            raise DataError(
                f"{file} is neither grayscale nor RGB (mode {image.mode}); set "
                "config.data.channels to 1 or 3 to convert it"
            )
        num_bytes = image.width * image.height * _BYTES
        check_fits(num_bytes, str(file))
        mode = MODES.get(channels, image.mode)
        if num_bytes > min(LARGE, machine_bytes() // (2 * READERS)):
            return _LARGE_IMAGES.submit(_decode, image, image_size, mode).result()
        return _decode(image, image_size, mode)


def _decode(image: Image.Image, image_size: int, mode: str) -> UInt8[np.ndarray, "H W C"]:
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode != mode:
        image = image.convert(mode)
    if image_size:
        image = ImageOps.fit(image, (image_size, image_size), Image.Resampling.BOX)
    return np.array(image, np.uint8).reshape(image.height, image.width, -1)


def decode_image(content: bytes) -> UInt8[np.ndarray, "H W C"]:
    """Decode a gray, RGB or RGBA image as it is stored.

    Raises:
      DataError: it is no such image of 8 bits a channel.
    """
    with _open(io.BytesIO(content), "it") as image:
        if image.mode not in ("L", "RGB", "RGBA"):
            raise DataError(f"it is neither gray nor RGB (mode {image.mode})")
        check_fits(image.width * image.height * _BYTES, "it")
        return np.array(image, np.uint8).reshape(image.height, image.width, -1)


@contextlib.contextmanager
def _open(source: Path | IO[bytes], name: Path | str) -> Iterator[Image.Image]:
    """Open an image of up to 8 bits a channel.

    Args:
      source: the file, or its contents.
      name: what messages call it.

    Raises:
      DataError: it is no such image. Errors while the block decodes it become DataErrors.
    """
    try:
        with Image.open(source, formats=FORMATS) as image:
            if image.mode.startswith(("I", "F")) or _count_bits(image) > 8:
                raise DataError(
                    f"{name} has more than 8 bits a channel, which would be cut off; save such "
                    "images as an .npy file and use config.data.name = 'files'"
                )
            signed = isinstance(image, TiffImageFile) and _SIGNED in image.tag_v2.get(_SIGNS, ())
            if image.mode not in _KNOWN or signed:
                kind = f"mode {image.mode}{', signed' * signed}"
                raise DataError(f"{name} is neither gray nor RGB ({kind}); save it as one of them")
            yield image
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(
            f"{name} cannot be read as an image: it is no {', '.join(FORMATS)} of a usual kind; "
            "convert or remove it"
        ) from error
    # On damaged files Pillow and its plugins raise errors of nearly every kind.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        # The operating system gives its errors a number. Pillow's have none, or EINVAL for a place
        # in the file that does not exist.
        number = getattr(error, "errno", None)
        is_damaged = not isinstance(error, MemoryError) and number in (None, errno.EINVAL)
        advice = "remove it" if is_damaged else "it may be a good image: try again"
        raise DataError(f"{name} cannot be read as an image ({reason}); {advice}") from error


def _count_bits(image: Image.Image) -> int:
    """Return the bits a channel in the file; the opened image has 8, or 1 in mode '1'."""
    if image.mode == "1":
        return 1
    if isinstance(image, TiffImageFile):
        return max(image.tag_v2.get(_BITS, (1,)))
    tile = image.tile[0] if isinstance(image, ImageFile) and image.tile else None
    if tile is None or tile.args is None:
        return 8
    raw_mode, *others = (tile.args,) if isinstance(tile.args, str) else tile.args
    if image.format == "PPM" and tile.codec_name in ("ppm", "ppm_plain"):
        maximum = int(others[0])
        return 7 if maximum < 255 else maximum.bit_length()
    if image.format == "PNG" and ";" in raw_mode:
        return int(raw_mode.partition(";")[2].rstrip("B"))  # such as RGB;16B and L;4
    if image.format == "BMP" and raw_mode in ("BGR;15", "BGR;16"):
        return 5
    return 8
