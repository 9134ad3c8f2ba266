"""Whether a folder can be written, before something long begins."""

import shutil
import tempfile
from pathlib import Path

from gradlog.storage.workdir import WorkdirError


def check_writable(folder: Path, needed_bytes: int) -> None:
    """Checks that a folder, which need not be there yet, can take so many bytes.

    Raises:
      WorkdirError: it is read-only, or its disk has not the space.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"\0")
        free = shutil.disk_usage(there).free
    except OSError as error:
        raise WorkdirError(f"cannot write to {folder}: {error.strerror}") from error
    if free < needed_bytes:
        raise WorkdirError(
            f"{folder} needs {needed_bytes:,} bytes for two checkpoints, and its disk has {free:,} "
            "free; free space there or choose another --workdir"
        )
