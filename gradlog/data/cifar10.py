"""CIFAR-10 without TensorFlow, from the official binary archive.

Source: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images";
https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from gradlog.data.array_files import check_fits
from gradlog.data.dataset import DataError, Dataset
from gradlog.data.downloads import Download, find_or_fetch
from gradlog.data.prepare import Splits, data_root, prepare
from gradlog.data.records import load_records

SHAPE = (32, 32, 3)
NUM_CLASSES = 10
RECORD_BYTES = 1 + 3 * 32 * 32
TRAIN_MEMBERS = tuple(f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6))
TEST_MEMBERS = ("cifar-10-batches-bin/test_batch.bin",)

# Size and checksum as shipped by tensorflow-datasets.
OFFICIAL = Download(
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    size=170_052_171,
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)


def load_cifar10(*, data_dir: str = "", path: str = "") -> Dataset:
    """Load 50,000 + 10,000 images (32, 32, 3) with 256 levels and labels 0..9 into memory (184 MB).

    The images are written once as tensorflow-datasets records to data_dir/cifar10_binary/1.0.0,
    and then read from there. Only the binary archive is accepted, because the Python one consists
    of pickles.

    Without a path the archive is data_dir/downloads/cifar-10-binary.tar.gz, which is downloaded
    (170 MB) if it is not there.

    Raises:
      DataError: the archive is missing and cannot be downloaded, it is not the official one, or
        the folder cannot be written.
    """
    return load_from_archive(data_root(data_dir), path, OFFICIAL)


def load_from_archive(root: Path, path: str, archive: Download) -> Dataset:
    """Load CIFAR-10 from any archive of the official format; see `load_cifar10`."""

    def make_splits() -> Splits:
        members = _read_members(find_or_fetch(archive, folder=root / "downloads", path=path))
        return {
            "train": lambda: _examples(members[name] for name in TRAIN_MEMBERS),
            "test": lambda: _examples(members[name] for name in TEST_MEMBERS),
        }

    folder = prepare("cifar10_binary", root, make_splits, shape=SHAPE, num_classes=NUM_CLASSES)
    return load_records("cifar10", folder, levels=256, num_classes=NUM_CLASSES)


def _read_members(archive: Path) -> dict[str, bytes]:
    """Read the six data files by name. Nothing is extracted to disk, and others are ignored."""
    members = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for entry in tar:
                if entry.name in (*TRAIN_MEMBERS, *TEST_MEMBERS) and entry.isfile():
                    check_fits(entry.size, f"{archive}: {entry.name}")
                    stream = tar.extractfile(entry)
                    members[entry.name] = stream.read() if stream else b""
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise DataError(f"{archive} is not a readable tar.gz file ({error})") from error
    for name in (*TRAIN_MEMBERS, *TEST_MEMBERS):
        size = len(members.get(name, b""))
        if size == 0 or size % RECORD_BYTES:
            raise DataError(
                f"{archive}: {name} has {size} bytes; a multiple of {RECORD_BYTES} is expected"
            )
    return members


def _examples(batches: Iterable[bytes]) -> Iterator[tuple[np.ndarray, int]]:
    """Yield images and labels. A record is a label byte, then the planes R, G and B."""
    for batch in batches:
        for record in np.frombuffer(batch, np.uint8).reshape(-1, RECORD_BYTES):
            if record[0] >= NUM_CLASSES:
                raise DataError(f"an image has label {record[0]}; 0 to {NUM_CLASSES - 1} expected")
            yield record[1:].reshape(3, 32, 32).transpose(1, 2, 0), int(record[0])
