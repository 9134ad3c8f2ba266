"""Write a data set once as records of tensorflow-datasets, and find it again.

A complete folder appears by one rename, so a killed process leaves no half-written folder. Other
damage shows in the sizes of the files, and the folder is then written again. A lock lets one
process write while the others wait.
"""

import contextlib
import fcntl
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from gradlog.data.dataset import DataError

VERSION = "1.0.0"
SIZES_FILE = "gradlog_sizes.json"
SCRATCH = ".preparing-"
_MAY_PREPARE = ContextVar("may_prepare", default=True)

# For each split a function that returns its (uint8 image, class label) pairs in order.
Splits = Mapping[str, Callable[[], Iterable[tuple[np.ndarray, int]]]]


def data_root(data_dir: str) -> Path:
    """Return the folder for prepared data: `data_dir`, or ~/.cache/gradlog if that is ''.

    Raises:
      DataError: its name is no text, so that records cannot be written there.
    """
    folder = Path(os.path.expanduser(data_dir or "~/.cache/gradlog"))
    try:
        str(folder.absolute()).encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"the name of config.data.data_dir = {data_dir!r} is no UTF-8 text; choose another one"
        ) from error
    return folder


@contextlib.contextmanager
def prepared_only() -> Iterator[None]:
    """Raise DataError in the block instead of preparing or downloading data that are missing."""
    before = _MAY_PREPARE.set(False)
    try:
        yield
    finally:
        _MAY_PREPARE.reset(before)


def check_may_prepare(name: str, folder: Path) -> None:
    """Raise DataError inside `prepared_only`: the data set is not prepared in this folder."""
    if not _MAY_PREPARE.get():
        raise DataError(f"{name} is not prepared in {folder}; --mode=train prepares it")


def prepare(
    name: str,
    root: Path,
    make_splits: Callable[[], Splits],
    *,
    shape: tuple[int, int, int],
    num_classes: int,
) -> Path:
    """Return the folder with the records of a data set, and write them first if necessary.

    Args:
      name: the records are in root/name/1.0.0.
      root: see `data_root`.
      make_splits: returns the splits. It is called only if records must be written.
      shape: shape of every image.
      num_classes: labels are 0..num_classes-1.

    Raises:
      DataError: the folder cannot be written, `make_splits` raises one, or see `prepared_only`.
    """
    folder = root / name / VERSION
    if is_complete(folder):
        return folder
    check_may_prepare(name, folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (folder.parent / ".lock").open("a") as lock:  # it may be a link, and is not emptied
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_complete(folder):
                _write(folder, make_splits(), shape, num_classes)
    except OSError as error:
        raise DataError(
            f"cannot prepare {folder} ({error}); set config.data.data_dir to a folder with free "
            "space"
        ) from error
    return folder


def is_complete(folder: Path) -> bool:
    """Return whether every file that was written is there in its full size."""
    try:
        sizes = json.loads((folder / SIZES_FILE).read_text("utf-8"))
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def _write(folder: Path, splits: Splits, shape: tuple[int, int, int], num_classes: int) -> None:
    # Importing tensorflow-datasets takes half a second, so it happens only when it is needed.
    import tensorflow_datasets as tfds

    class Records(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        """A builder of tensorflow-datasets that needs no TensorFlow."""

        name = folder.parent.name
        VERSION = tfds.core.Version(VERSION)

        def _info(self) -> tfds.core.DatasetInfo:
            # features.Image needs TensorFlow to encode an array; a tensor of bytes does not.
            image = tfds.features.Tensor(shape=shape, dtype=np.uint8, encoding="bytes")
            label = tfds.features.ClassLabel(num_classes=num_classes)
            features = tfds.features.FeaturesDict({"image": image, "label": label})
            return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

        def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
            return {split: self._generate_examples(make()) for split, make in splits.items()}

        def _generate_examples(self, examples: Iterable[tuple[np.ndarray, int]]) -> Iterator:
            for key, (image, label) in enumerate(examples):
                yield key, {"image": image, "label": int(label)}

    tfds.disable_progress_bar()
    for left_by_a_killed_process in folder.parent.glob(f"{SCRATCH}*"):
        shutil.rmtree(left_by_a_killed_process, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=folder.parent) as scratch:
        # array_record is the one format that is written and read without TensorFlow.
        builder = Records(data_dir=scratch, file_format="array_record")
        with contextlib.redirect_stdout(io.StringIO()):  # it prints a banner
            builder.download_and_prepare()
        written = Path(builder.data_dir)
        sizes = {file.name: file.stat().st_size for file in written.iterdir()}
        (written / SIZES_FILE).write_text(json.dumps(sizes), "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        written.rename(folder)
