"""A folder of image files."""

import contextlib
import functools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image, ImageOps

from gradlog.data.classes import index_labels
from gradlog.data.dataset import (
    DataError,
    Dataset,
    encode_names,
    fingerprint_of_arrays,
    from_arrays,
    split_indices,
)
from gradlog.data.records import spaced_examples

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
MODES = {1: "L", 3: "RGB"}
LARGEST = 8192  # side of an image; Pillow refuses files of more than 179 million pixels
IN_MEMORY = 4 << 30  # bytes: CelebA at 64 x 64 fits, LSUN at 256 x 256 is read as it is used
READERS = 8  # threads; Pillow decodes outside Python's lock


def load_folder(
    *,
    path: str = "",
    image_size: int = 0,
    channels: int = 0,
    test_fraction: float = 0.1,
    seed: int = 0,
    read_labels: bool = False,
) -> Dataset:
    """Load 8-bit images (H, W, channels) with 256 levels, ordered by file name.

    Images of up to IN_MEMORY bytes in total are held in memory. Others are decoded when they are
    accessed. All subfolders are searched. Files and folders whose name begins with a dot are left
    out: systems write thumbnails there, and macOS writes ._1.jpg, which is no image, beside 1.jpg.
    If there are subfolders train/ and test/, they are the two sets, and nothing else is read.
    Otherwise the images are split at random.

    Args:
      path: the folder.
      image_size: side of square images, cut from the center and resized by averaging; 0 keeps the
        images as they are, and they must have one size.
      channels: 1 or 3 converts the images (transparency is dropped); 0 keeps grayscale or RGB
        images as they are, and all must be of one kind.
      test_fraction: share of the test set in a random split, between 0 and 1.
      seed: seed of a random split; 0 or more.
      read_labels: whether the subfolders (of train/ and of test/, if there are these) are classes,
        which keep their names.

    Raises:
      DataError: no folder, no images, an unreadable file, images that do not match, or one that
        lies in no subfolder and so has no class.
    """
    if channels not in (0, *MODES) or not 0 <= image_size <= LARGEST:
        raise DataError(
            f"config.data.channels = {channels} must be 0, 1 or 3, and config.data.image_size = "
            f"{image_size} must lie in 0 .. {LARGEST}"
        )
    folder = Path(os.path.expanduser(path))
    if not path or not folder.is_dir():
        raise DataError(f"config.data.path = {path!r} is not a folder; set it to one of images")
    files = find_images(folder)
    labels = _read_classes(folder, files) if read_labels else []
    if len(files) == 1:
        parts = split_indices(len(files[0]), test_fraction=test_fraction, seed=seed)
        files = [[files[0][row] for row in rows] for rows in parts]
        labels = [array[rows] for array in labels for rows in parts]
    classes = index_labels(folder.name, *labels)._asdict() if read_labels else {}
    read = functools.partial(_read, image_size=image_size, channels=channels)
    train, test = (ImageFiles(part, read, like=files[0][0]) for part in files)
    if (len(train) + len(test)) * math.prod(train.shape) <= IN_MEMORY:
        everything = [images[np.arange(len(images))] for images in (train, test)]
        return from_arrays(folder.name, *everything, levels=256, **classes)
    # Decoding all images would take too long: all names and 256 images of each set identify them.
    parts = []
    for images in (train, test):
        names = "\n".join(file.name for file in images.files)
        parts += [np.frombuffer(os.fsencode(names), np.uint8), spaced_examples(images)]
    if read_labels:
        parts += [classes["train_labels"], classes["test_labels"]]
        parts += encode_names(classes["classes"])
    fingerprint = fingerprint_of_arrays(256, *parts)
    return Dataset(folder.name, train, test, train.shape, 256, fingerprint, **classes)


def find_images(folder: Path) -> list[list[Path]]:
    """Return the image files by name: of train/ and of test/ if both exist, else of the folder.

    Raises:
      DataError: there are none.
    """
    splits = [folder / "train", folder / "test"]
    found = []
    for place in splits if all(split.is_dir() for split in splits) else [folder]:
        found.append(sorted(file for file in place.rglob("*") if _is_image(file, place)))
        if not found[-1]:
            raise DataError(f"{place} holds no images ({', '.join(sorted(SUFFIXES))})")
    return found


def _read_classes(folder: Path, files: Sequence[Sequence[Path]]) -> list[np.ndarray]:
    """Return for each set the class of each image: its subfolder of the folder, or of train/ ..."""
    labels = []
    for part in files:
        place = folder if len(files) == 1 else folder / part[0].relative_to(folder).parts[0]
        loose = [file for file in part if file.parent == place]
        if loose:
            raise DataError(
                f"config.data.read_labels = True: {len(loose)} images lie in {place} itself, such "
                f"as {loose[0].name}, and so in no class; move them into subfolders, one for each "
                "class"
            )
        labels.append(np.array([file.relative_to(place).parts[0] for file in part]))
    if len(set(np.concatenate(labels).tolist())) == 1:
        raise DataError(
            f"config.data.read_labels = True: all images of {folder} lie in the one subfolder "
            f"{labels[0][0]}; set config.data.path to the folder whose subfolders are the classes"
        )
    return labels


def _is_image(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return file.suffix.lower() in SUFFIXES and not hidden and file.is_file()


def read_image_shape(file: Path) -> tuple[int, int, int]:
    """Read height, width and channels (1 or 3, as after conversion) without decoding the image.

    Raises:
      DataError: the file is no image, or has more than 8 bits a channel.
    """
    with _open(file) as image:
        return image.height, image.width, 1 if image.mode in ("1", "L", "LA") else 3


class ImageFiles:
    """Images that are decoded when they are accessed, several at once.

    Raises, when an image is accessed:
      DataError: it cannot be read, or has another shape than the image `like`.
    """

    def __init__(self, files: Sequence[Path], read: Callable[[Path], np.ndarray], like: Path):
        self.files = files
        self.shape = read(like).shape
        self._read = read
        self._like = like

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, indices: Int[np.ndarray, " n"]) -> UInt8[np.ndarray, "n H W C"]:
        files = [self.files[index] for index in np.asarray(indices).tolist()]
        images = np.empty((len(files), *self.shape), np.uint8)
        with ThreadPoolExecutor(READERS) as readers:
            decoded = zip(files, readers.map(self._read, files), strict=True)
            for row, (file, image) in enumerate(decoded):
                if image.shape != self.shape:
                    raise DataError(
                        f"{file} has shape {image.shape} (height, width, channels) and "
                        f"{self._like} has {self.shape}; set config.data.image_size and "
                        "config.data.channels to make all images alike"
                    )
                images[row] = image
        return images


def _read(file: Path, image_size: int, channels: int) -> UInt8[np.ndarray, "H W C"]:
    with _open(file) as opened:
        image = ImageOps.exif_transpose(opened)
        if channels:
            image = image.convert(MODES[channels])
        elif image.mode not in MODES.values():
            raise DataError(
                f"{file} is neither grayscale nor RGB (mode {image.mode}); set "
                "config.data.channels to 1 or 3 to convert it"
            )
        if image_size:
            image = ImageOps.fit(image, (image_size, image_size), Image.Resampling.BOX)
        return np.asarray(image, np.uint8).reshape(image.height, image.width, -1)


@contextlib.contextmanager
def _open(file: Path) -> Iterator[Image.Image]:
    """Open an image of 8 bits a channel.

    Raises:
      DataError: the file is no such image. Errors while the block decodes it become DataErrors.
    """
    try:
        with Image.open(file) as image:
            if image.mode.startswith(("I", "F")):
                raise DataError(
                    f"{file} has more than 8 bits a channel, which would be cut off; save such "
                    "images as an .npy file and use config.data.name = 'files'"
                )
            yield image
    except DataError:
        raise
    # On damaged files Pillow and its plugins raise errors of nearly every kind.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{file} cannot be read as an image ({reason}); remove it") from error
