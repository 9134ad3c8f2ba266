"""Arrays of .npy and .npz files, read as data: no pickles, and no more than the file holds.

A header may claim any shape and an archive any size. Both are compared with what is there, and
with what the machine can hold, before memory is asked for.
"""

import contextlib
import io
import math
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np

from gradlog.data.dataset import DataError
from gradlog.data.memory import check_fits

SINGLE = "x"  # the name of an .npy file's array
_NPY, _ZIP = b"\x93NUMPY", b"PK"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
# What zipfile raises on a damaged archive, or on one whose packing Python cannot undo.
_DAMAGED = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


class Arrays(Mapping[str, np.ndarray]):
    """The arrays of an open .npy or .npz file by name, each read when it is asked for."""

    def __init__(self, file: IO[bytes], name: str):
        self._file, self._name = file, name
        start = file.read(len(_NPY))
        self._archive = zipfile.ZipFile(file) if start.startswith(_ZIP) else None
        if self._archive is None and start != _NPY:
            raise ValueError("it begins like neither")

    @property
    def _members(self) -> dict[str, str]:
        """The name of each array's member of the archive."""
        names = self._archive.namelist() if self._archive else [SINGLE]
        return {name.removesuffix(".npy"): name for name in names}

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def shape(self, name: str) -> tuple[int, ...]:
        """That of an array, of which only the header is read."""
        if self._archive is None:
            return _start(self._file)[0]
        with self._archive.open(self._members[name]) as stream:
            return _start(stream)[0]

    def __getitem__(self, name: str) -> np.ndarray:
        member = self._members[name]
        if self._archive is None:
            return _read(self._file, self._file.seek(0, io.SEEK_END), self._name)
        with self._archive.open(member) as stream:
            size = self._archive.getinfo(member).file_size
            return _read(stream, size, f"{self._name}, array {name!r},")


@contextlib.contextmanager
def open_arrays(path: str | Path, content: IO[bytes] | None = None) -> Iterator[Arrays]:
    """The arrays of a file, which its first bytes tell to be one or several, not its name.

    Args:
      path: of the file, for messages too.
      content: what is read in the place of the file.

    Raises:
      DataError: there is no such file, it cannot be read, is damaged, larger than the machine's
        memory, or holds pickled objects. Also for what the block raises as it reads.
    """
    file = Path(os.path.expanduser(path))
    try:
        with content or _opened(file) as stream:
            yield Arrays(stream, str(file))
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}") from error
    except _DAMAGED as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{file} cannot be read: {reason}; a whole .npy or .npz file of plain numbers is needed"
        ) from error


def _opened(file: Path) -> IO[bytes]:
    if file.exists() and not file.is_file():
        raise OSError("it is no regular file")  # a pipe would be waited for, a device has no end
    return file.open("rb")


def _read(stream: IO[bytes], size: int, name: str) -> np.ndarray:
    """The array of a stream of so many bytes."""
    shape, fortran_order, dtype = _start(stream)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects")
    wanted, there = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if wanted > there:
        raise ValueError(f"it claims to hold {wanted} bytes, and has {there}")
    check_fits(wanted, name)
    content = bytearray(wanted)
    if stream.readinto(content) != wanted:  # pyright: ignore[reportAttributeAccessIssue]
        raise ValueError("it ends too early")
    return np.ndarray(shape, dtype, content, order="F" if fortran_order else "C")


def _start(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """What the header says; the numbers come next."""
    stream.seek(0)
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"its format {version} is unknown")
    try:
        return _HEADERS[version](stream)
    except Exception as error:  # whatever Python's own parser says of the text
        raise ValueError(f"its header is damaged: {error}") from error
