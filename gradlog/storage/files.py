"""Files that appear whole or not at all."""

import contextlib
import itertools
import json
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that takes the place of ``path`` when the block ends without an error.

    Raises:
      OSError: it cannot be written; unlike the system's own, it has the file's name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}."
    with _named(path, prefix):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=prefix)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):  # what went wrong first is what is told
                os.unlink(temporary)
            raise
    sync(path.parent)


@contextlib.contextmanager
def _named(path: Path, temporary: str) -> Iterator[None]:
    """Names a file in errors that have no name, or one that begins as its temporary ones do."""
    try:
        yield
    except OSError as error:
        if error.filename is None or Path(os.fsdecode(error.filename)).name.startswith(temporary):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def sync(path: Path) -> None:
    """Puts a file's contents, or a folder's list of names, on the disk itself."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text."""
    with atomic(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Writes JSON; numbers that are not finite become null."""
    write_text(path, json.dumps(finite(value), indent=2, allow_nan=False) + "\n")


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes a compressed archive of arrays."""
    with atomic(path) as file:
        np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]


class DamagedFileError(ValueError):
    """A file is not as it was written: one line that names it."""


def read_json(path: Path) -> Any:
    """Reads JSON.

    Raises:
      DamagedFileError: it is something else.
    """
    try:
        return json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path} is damaged ({error})") from error


def finite(value: Any) -> Any:
    """What JSON can hold of a value: NumPy's numbers as Python's, those not finite as None."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def free_name(path: Path) -> Path:
    """The path, or the first with a number behind its stem that is not taken."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(1))
    return next(found for found in itertools.chain([path], numbered) if not found.exists())
