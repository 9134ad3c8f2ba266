"""Files and folders that appear whole or not at all, and JSON that proves its own contents."""

import contextlib
import hashlib
import itertools
import json
import math
import os
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from gradlog.storage.errors import DamagedFileError, WorkdirError

# For each file in a folder its path, size, inode and time of modification; else its path alone.
Stamp = tuple[tuple[str | int, ...], ...]
_SAVING, _DELETING = ".saving-", ".deleting-"
_OWN, _FILES = "sha256", "files"  # keys of sealed JSON


# --- files ----------------------------------------------------------------------------------


def own_path(root: Path, *names: str) -> Path:
    """Return the path of a file or folder that may be written inside a folder.

    The folder itself may be a link, because the user has named it. What is inside was put there by
    somebody else if it is a link, and writing through it would change files elsewhere.

    Args:
      root: the folder.
      names: the folders on the way, and the name of the file or folder.

    Raises:
      WorkdirError: one of them is a link or a special file.
    """
    path = root
    for name in names:
        path = path / name
        check_plain(path)
    return path


def check_plain(path: Path) -> None:
    """Check that a path is free, or a regular file or a folder.

    Raises:
      WorkdirError: it is a link or a special file.
    """
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        kind = "a link" if stat.S_ISLNK(mode) else "a special file"
        raise WorkdirError(
            f"{path} is {kind}, and only regular files and folders are written; move it away"
        )


def read_bytes(path: Path) -> bytes:
    """Return the contents of a regular file. A pipe or a device could be read forever.

    Raises:
      DamagedFileError: it is no regular file.
      OSError: it cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise DamagedFileError(f"{path} is damaged (it is no regular file)")
    return path.read_bytes()


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that replaces ``path`` when the block ends without an error.

    Raises:
      OSError: it cannot be written. Unlike the system's own error, it names ``path``.
      WorkdirError: a link or a special file has this path.
    """
    check_plain(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}."
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=prefix)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):  # the first error is the one to report
                os.unlink(temporary)
            raise
    except OSError as error:
        if error.filename is None or Path(os.fsdecode(error.filename)).name.startswith(prefix):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Force a file's contents, or a folder's list of names, onto the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:  # the system's own error names no file
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(handle)


def find_free_name(path: Path) -> Path:
    """Return the path, or the first one with a number after its stem that does not exist."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(1))
    return next(found for found in itertools.chain([path], numbered) if not os.path.lexists(found))


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text. What has no encoding, as in some names of files, becomes its escape."""
    with atomic(path) as file:
        file.write(text.encode(errors="backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON. Numbers that are not finite become null."""
    write_text(path, json.dumps(replace_nonfinite(value), indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
      DamagedFileError: the file holds something else.
    """
    try:
        return json.loads(read_bytes(path))
    except DamagedFileError:
        raise
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path} is damaged ({error})") from error


def replace_nonfinite(value: Any) -> Any:
    """Return a value that JSON can hold: NaN and infinities as None, NumPy's numbers as Python's.

    >>> replace_nonfinite({"mean": float("nan"), "counts": (1, np.int64(2))})
    {'mean': None, 'counts': [1, 2]}
    """
    if isinstance(value, dict):
        return {key: replace_nonfinite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [replace_nonfinite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a compressed archive of arrays."""
    with atomic(path) as file:
        np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]


# --- sealed JSON ----------------------------------------------------------------------------


def write_sealed(path: Path, contents: dict[str, Any], beside: Sequence[str] = ()) -> None:
    """Write a JSON object with the SHA-256 of its contents and of other files in its folder.

    Nothing is written if the file already says the same, so a read-only folder is no problem.

    Args:
      path: the file.
      contents: the object; numbers that are not finite become null.
      beside: names of the other files.
    """
    plain = json.loads(json.dumps(replace_nonfinite(contents), allow_nan=False))
    text = _render_sealed(plain, {name: _hash_file(path.parent / name) for name in beside})
    if not (path.is_file() and path.read_bytes() == text.encode()):
        write_text(path, text)


def read_sealed(path: Path, beside: Collection[str] = ()) -> dict[str, Any]:
    """Return the contents that ``write_sealed`` wrote.

    Args:
      path: the file.
      beside: names of the other files that it must have digests of, and no more than these.

    Raises:
      ValueError: the file, or one beside it, is not as it was written. The message does not name
        the path.
      OSError: one of the files does not exist or cannot be read.
    """
    text = read_bytes(path)
    try:
        contents = json.loads(text)
        del contents[_OWN]
        files = dict(contents.pop(_FILES))
        as_written = _render_sealed(contents, files).encode() == text
    except (LookupError, TypeError, AttributeError):
        raise ValueError("it has no digest of its own: something else wrote it") from None
    except RecursionError as error:
        raise ValueError(str(error)) from error
    if not as_written:
        raise ValueError("it is not as it was written")
    if files.keys() != set(beside):
        raise ValueError(f"it has the digests of {sorted(files)}, and not of {sorted(beside)}")
    for name, digest in files.items():
        if _hash_file(path.parent / name) != digest:
            raise ValueError(f"{name} is not as it was written")
    return contents


def _render_sealed(contents: dict[str, Any], files: dict[str, str]) -> str:
    """Return the only text that is valid for these contents: any other byte is damage."""
    whole = {**contents, _FILES: files}
    digest = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
    return json.dumps({**whole, _OWN: digest}, indent=2, allow_nan=False) + "\n"


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- folders --------------------------------------------------------------------------------


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Make a temporary folder that is renamed to ``path`` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f"{_SAVING}{path.name}-", dir=path.parent))
    try:
        temporary.chmod(0o755)
        yield temporary
        for root, _, names in os.walk(temporary, topdown=False):
            for name in names:
                sync(Path(root, name))
            sync(Path(root))
        temporary.rename(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync(path.parent)


def delete_folder(path: Path) -> None:
    """Delete a folder. It is renamed first, so that no reader sees half of it."""
    doomed = Path(tempfile.mkdtemp(prefix=f"{_DELETING}{path.name}-", dir=path.parent))
    path.rename(doomed)  # an empty folder gives way
    sync(path.parent)
    shutil.rmtree(doomed)


def delete_leftovers(folder: Path) -> None:
    """Delete what a killed process was writing or deleting in a folder.

    A link of such a name is deleted itself, and never what it points to.
    """
    for path in sorted(folder.glob(".*-*")):
        if is_leftover(path):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def is_leftover(path: Path) -> bool:
    """Return whether a killed process was writing or deleting this folder, by its name."""
    return path.name.startswith((_SAVING, _DELETING))


def list_files(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """List a folder: regular files by relative name, and the names of unexpected entries.

    Unexpected entries are empty folders, links and special files.
    """

    def fail(error: OSError) -> None:
        raise error

    files, others = {}, []
    for root, folders, names in os.walk(folder, onerror=fail):
        here = Path(root)
        for path in (here / name for name in (*folders, *names)):
            name, mode = path.relative_to(folder).as_posix(), path.lstat().st_mode
            if stat.S_ISREG(mode):
                files[name] = path
            elif not stat.S_ISDIR(mode) or not any(path.iterdir()):
                others.append(name)
    return files, others


def stamp_folder(folder: Path) -> Stamp | None:
    """Return a value that changes when a file in the folder changes; None if it cannot be read."""
    try:
        files, others = list_files(folder)
        found = [(name, path.lstat()) for name, path in sorted(files.items())]
    except OSError:
        return None
    seen = [(name, entry.st_size, entry.st_ino, entry.st_mtime_ns) for name, entry in found]
    return (*seen, *((name,) for name in sorted(others)))
