"""Record folders of this room's own builders: written once, found again.

A folder appears in one move when it is complete, so what lies there is never half written by this
code; a folder damaged otherwise is noticed by the sizes of its files and written afresh. A lock
lets one process write while the others wait.
"""

import contextlib
import fcntl
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gradlog.data.dataset import DataError

SIZES_FILE = "gradlog_sizes.json"
SCRATCH = ".preparing-"


def data_root(data_dir: str) -> Path:
    """The folder for prepared data: `data_dir`, or ~/.cache/gradlog if that is ''."""
    return Path(os.path.expanduser(data_dir or "~/.cache/gradlog"))


def prepare(builder_name: str, root: Path, make_splits: Callable[[], Mapping[str, Any]]) -> Path:
    """The folder with the records of a builder of `data.builders`, written if need be.

    Args:
      builder_name: the name of the class.
      root: the records go to root/name/version.
      make_splits: called only if the records are to be written; see `ImageRecords`.

    Raises:
      DataError: the folder cannot be written, or whatever `make_splits` raises.
    """
    from gradlog.data import builders

    builder_class = getattr(builders, builder_name)
    folder = root / builder_class.name / str(builder_class.VERSION)
    if is_complete(folder):
        return folder
    try:
        with _locked(folder.parent):
            if not is_complete(folder):
                _write(builder_class, folder, make_splits())
    except OSError as error:
        raise DataError(
            f"cannot prepare {folder} ({error}); set config.data.data_dir to a folder with room"
        ) from error
    return folder


def is_complete(folder: Path) -> bool:
    """Whether every file that was written is there in its full size."""
    try:
        sizes = json.loads((folder / SIZES_FILE).read_text())
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(builder_class: type, folder: Path, splits: Mapping[str, Any]) -> None:
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    for left_by_a_killed_process in folder.parent.glob(f"{SCRATCH}*"):
        shutil.rmtree(left_by_a_killed_process, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=folder.parent) as scratch:
        builder = builder_class(splits=splits, data_dir=scratch)
        with contextlib.redirect_stdout(io.StringIO()):  # it prints a banner
            builder.download_and_prepare()
        written = Path(builder.data_dir)
        sizes = {file.name: file.stat().st_size for file in written.iterdir()}
        (written / SIZES_FILE).write_text(json.dumps(sizes))
        shutil.rmtree(folder, ignore_errors=True)
        written.rename(folder)
