"""ImageNet at 32 x 32, in two versions that are different data sets.

"new": Chrabaszcz, Loshchilov & Hutter 2017, "A Downsampled Variant of ImageNet as an Alternative
to the CIFAR datasets", box-filtered, 1,281,167 + 50,000 images; image-net.org distributes it.
"old": van den Oord et al. 2016, "Pixel Recurrent Neural Networks", 1,281,149 + 49,999 images; it is
no longer distributed. Bits/dim on the two cannot be compared (one method has 3.43 on the new and
3.69 on the old; Zheng et al. 2023), so state the version beside a number.
"""

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import UInt8

from gradlog.data.array_files import DAMAGED_ARCHIVE, check_fits, open_arrays
from gradlog.data.dataset import DataError, Dataset
from gradlog.data.prepare import Splits, data_root, prepare
from gradlog.data.records import open_records
from gradlog.data.tfds_images import load_tfds

ZIPS = {"train": "Imagenet32_train_npz.zip", "test": "Imagenet32_val_npz.zip"}
MEMBERS = {
    "train": tuple(f"train_data_batch_{i}.npz" for i in range(1, 11)),
    "test": ("val_data.npz",),
}
COUNTS = {"train": 1_281_167, "test": 50_000}
NUM_CLASSES = 1000


def load_imagenet32(
    *, data_dir: str = "", path: str = "", version: str = "new", read_labels: bool = False
) -> Dataset:
    """Open images (32, 32, 3) with 256 levels, which are read from record files when accessed.

    The new version is written once, in some minutes, as tensorflow-datasets records (3 GB) to
    data_dir/imagenet32_new/1.0.0, from the files that image-net.org offers to registered users.

    The path is the folder with Imagenet32_train_npz.zip and Imagenet32_val_npz.zip, or with the npz
    files in them, by default data_dir/downloads. The old version must be prepared as
    `downsampled_imagenet/32x32` of tensorflow-datasets in array_record format, and has no labels.
    Reading those of the new one, 0..999, takes a minute.

    Raises:
      DataError: the files are missing or are not the official ones, or the version is unknown.
    """
    if version == "old":
        name = "downsampled_imagenet/32x32"
        return load_tfds(tfds_name=name, data_dir=data_dir, test_split="validation")
    if version != "new":
        raise DataError(f"config.data.version = {version!r} is unknown; choose 'new' or 'old'")
    return load_from_npz(data_root(data_dir), path, COUNTS, read_labels=read_labels)


def load_from_npz(
    root: Path, path: str, counts: dict[str, int], *, read_labels: bool = False
) -> Dataset:
    """Open the new version from files of the official format with these counts of images."""

    def make_splits() -> Splits:
        place = Path(os.path.expanduser(path)) if path else root / "downloads"
        files = {split: _find(place, split) for split in MEMBERS}
        return {
            split: lambda split=split: _examples(files[split], counts[split]) for split in MEMBERS
        }

    folder = prepare(
        "imagenet32_new", root, make_splits, shape=(32, 32, 3), num_classes=NUM_CLASSES
    )
    return open_records(
        "imagenet32", folder, train_split="train", test_split="test", read_labels=read_labels
    )


def _find(place: Path, split: str) -> list[tuple[Path, str]]:
    """Find each npz file of the split, as (file, '') or (zip file, name within)."""
    for folder in (place, place / Path(ZIPS[split]).stem):
        files = [folder / member for member in MEMBERS[split]]
        if all(file.is_file() for file in files):
            return [(file, "") for file in files]
    archive = place / ZIPS[split]
    try:
        with zipfile.ZipFile(archive) as zipped:
            names = {name.rpartition("/")[2]: name for name in zipped.namelist()}
        return [(archive, names[member]) for member in MEMBERS[split]]
    except FileNotFoundError as error:
        raise DataError(
            f"{archive} is missing; get it from image-net.org (Downsampled ImageNet, npz format, "
            "32x32) and put it there, or set config.data.path to its folder"
        ) from error
    except (KeyError, *DAMAGED_ARCHIVE) as error:
        raise DataError(f"{archive} is not the official zip file ({error})") from error


def _examples(
    files: list[tuple[Path, str]], count: int
) -> Iterator[tuple[UInt8[np.ndarray, "32 32 3"], int]]:
    total = 0
    for file, member in files:
        images, labels = _load_npz(file, member)
        total += len(images)
        yield from zip(images, labels, strict=True)
    if total != count:
        raise DataError(
            f"{files[0][0]} and the other files of its set hold {total} images, expected {count}"
        )


def _load_npz(file: Path, member: str) -> tuple[UInt8[np.ndarray, "n 32 32 3"], np.ndarray]:
    """Read images from rows of 3 planes of 32 x 32, and labels 0..999 from 1..1000."""
    where = f"{file}{f' ({member})' if member else ''}"
    with open_arrays(where, _open(file, member)) as arrays:
        if not {"data", "labels"} <= arrays.keys():
            raise DataError(f"{where} is not an ImageNet32 npz file: it holds {sorted(arrays)}")
        data, labels = arrays["data"], arrays["labels"]
    if data.dtype != np.uint8 or data.shape[1:] != (3 * 32 * 32,):
        raise DataError(f"{where}: data is {data.dtype} {data.shape}, expected uint8 (n, 3072)")
    if labels.dtype.kind not in "iu" or labels.shape != (len(data),):
        raise DataError(
            f"{where}: labels are {labels.dtype} {labels.shape}, expected whole numbers "
            f"({len(data)},)"
        )
    labels = labels.astype(np.int64) - 1
    if labels.min(initial=0) < 0 or labels.max(initial=0) >= NUM_CLASSES:
        raise DataError(f"{where}: labels must be 1 to {NUM_CLASSES}")
    return data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels


def _open(file: Path, member: str) -> IO[bytes]:
    """Open the npz file, or its content in a zip file."""
    if not member:
        return file.open("rb")
    try:
        with zipfile.ZipFile(file) as zipped:
            check_fits(zipped.getinfo(member).file_size, f"{file} ({member})")
            return io.BytesIO(zipped.read(member))
    except DAMAGED_ARCHIVE as error:
        raise DataError(f"{file} is not a readable zip file ({error})") from error
