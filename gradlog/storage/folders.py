"""Folders that appear and disappear whole, and stay so when the power goes."""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gradlog.storage.files import sync

# Of every file in a folder its path, size, number and time of modification; of the rest its path.
Stamp = tuple[tuple[str | int, ...], ...]
_SAVING, _DELETING = ".saving-", ".deleting-"


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path`` that becomes it when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f"{_SAVING}{path.name}-", dir=path.parent))
    try:
        temporary.chmod(0o755)
        yield temporary
        _sync_all(temporary)
        temporary.rename(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync(path.parent)


def delete_folder(path: Path) -> None:
    """Deletes a folder that is no longer there from the first moment on."""
    doomed = Path(tempfile.mkdtemp(prefix=f"{_DELETING}{path.name}-", dir=path.parent))
    path.rename(doomed)  # an empty folder gives way
    sync(path.parent)
    shutil.rmtree(doomed)


def leftovers(parent: Path) -> list[Path]:
    """What a killed process was writing or deleting."""
    return sorted(path for path in parent.glob(".*-*") if is_leftover(path))


def is_leftover(path: Path) -> bool:
    return path.name.startswith((_SAVING, _DELETING))


def plain_files(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """The regular files in a folder by relative name, and what has no business in one.

    That is empty folders, links and special files.
    """
    files, others = {}, []
    for root, folders, names in os.walk(folder, onerror=_raise):
        here = Path(root)
        for path in (here / name for name in (*folders, *names)):
            name, mode = path.relative_to(folder).as_posix(), path.lstat().st_mode
            if stat.S_ISREG(mode):
                files[name] = path
            elif not stat.S_ISDIR(mode) or not any(path.iterdir()):
                others.append(name)
    return files, others


def stamp_of(folder: Path) -> Stamp | None:
    """What changes where a file in a folder is changed; None where that cannot be told."""
    try:
        files, others = plain_files(folder)
        found = [(name, path.lstat()) for name, path in sorted(files.items())]
    except OSError:
        return None
    seen = [(name, stat.st_size, stat.st_ino, stat.st_mtime_ns) for name, stat in found]
    return (*seen, *((name,) for name in sorted(others)))


def remove_empty(folder: Path) -> None:
    """Removes the empty folders within one."""
    for root, _, _ in os.walk(folder, topdown=False):
        if root != str(folder) and not os.listdir(root):
            os.rmdir(root)


def _sync_all(folder: Path) -> None:
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(Path(root, name))
        sync(Path(root))


def _raise(error: OSError) -> None:
    raise error
