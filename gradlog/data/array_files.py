"""Read .npy and .npz files as plain data, and refuse what memory cannot hold.

Pickles are never loaded. A header may claim any shape, and an archive any size, so both are
compared with the file and with the memory of the machine before memory is allocated. Linux grants
memory that it does not have and later kills the process that uses it, so sizes must be counted
beforehand.
"""

import contextlib
import functools
import io
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from gradlog.data.dataset import DataError

# What zipfile raises on a damaged archive, or on a compression that Python does not support.
DAMAGED_ARCHIVE = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
# The memory limit of a container, for versions 2 and 1 of the kernel's control groups.
MEMORY_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
NPY_NAME = "x"  # the name of the one array of an .npy file
_NPY, _ZIP = b"\x93NUMPY", b"PK"
# By version: the format of the header's length, and the function that reads the header.
_HEADERS = {
    (1, 0): ("<H", np.lib.format.read_array_header_1_0),
    (2, 0): ("<I", np.lib.format.read_array_header_2_0),
}
_LONGEST_HEADER = 10_000  # bytes, as NumPy; zeros of a zip file would unpack to gigabytes


@contextlib.contextmanager
def open_arrays(path: str | Path, content: IO[bytes] | None = None) -> Iterator["Arrays"]:
    """Open a file of arrays. Its first bytes decide between .npy and .npz, not its name.

    Args:
      path: the file, which is also named in messages.
      content: a stream to read instead of the file.

    Raises:
      DataError: the file is missing, unreadable, damaged, larger than the machine's memory, or
        holds pickled objects. Errors while the block reads arrays become DataErrors too.
    """
    file = Path(os.path.expanduser(path))
    try:
        if content is None and file.exists() and not file.is_file():
            raise OSError("it is not a regular file")  # a pipe would block, a device has no end
        with content or file.open("rb") as stream:
            yield Arrays(stream, str(file))
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}") from error
    except DAMAGED_ARCHIVE as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{file} cannot be read: {reason}; a complete .npy or .npz file of plain numbers is "
            "needed"
        ) from error


def read_array(path: str, names: Sequence[str] = ()) -> np.ndarray:
    """Return the numbers of an .npy or .npz file.

    Args:
      path: the file.
      names: for an .npz file, the first of these that it has is returned; else its only array.

    Raises:
      DataError: the file does not exist, cannot be read, or holds no numbers.
    """
    with open_arrays(path) as arrays:
        there = list(arrays)
        wanted = [*(name for name in names if name in there), *there[: len(there) == 1]]
        if not wanted:
            advice = f"name one of them {tuple(names)}" if names else "one is expected"
            raise DataError(f"{path} holds the arrays {sorted(there)}; {advice}")
        found = arrays[wanted[0]]
    if found.dtype.kind not in "uibf":
        raise DataError(f"{path} holds {found.dtype}, not numbers")
    return found


class Arrays(Mapping[str, np.ndarray]):
    """The arrays of an open .npy or .npz file by name. An array is read when it is accessed.

    All that are read must fit into the memory together.
    """

    def __init__(self, file: IO[bytes], name: str):
        self._file, self._name = file, name
        self._bytes_read = 0
        start = file.read(len(_NPY))
        self._archive = zipfile.ZipFile(file) if start.startswith(_ZIP) else None
        if self._archive is None and start != _NPY:
            raise ValueError("it is neither an .npy nor an .npz file")
        members = self._archive.namelist() if self._archive else [NPY_NAME]
        self._members = {name.removesuffix(".npy"): name for name in members}
        if len(self._members) < len(members):
            raise ValueError("it holds two arrays of one name")

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, name: object) -> bool:  # that of Mapping would read the array
        return name in self._members

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an array; only its header is read."""
        with self._open(name) as (stream, _):
            return _read_header(stream)[0]

    def __getitem__(self, name: str) -> np.ndarray:
        with self._open(name) as (stream, size):
            shape, fortran_order, dtype = _read_header(stream)
            if dtype.hasobject:
                raise ValueError("it holds pickled objects")
            claimed, available = math.prod(shape) * dtype.itemsize, size - stream.tell()
            if claimed != available:  # more of them are of a second array, or of another file
                raise ValueError(f"it claims to hold {claimed} bytes, and has {available}")
            self._bytes_read += claimed
            check_fits(self._bytes_read, f"{self._name}, up to array {name!r},")
            content = bytearray(claimed)
            if stream.readinto(content) != claimed:  # pyright: ignore[reportAttributeAccessIssue]
                raise ValueError("it ends too early")
            return np.ndarray(shape, dtype, content, order="F" if fortran_order else "C")

    @contextlib.contextmanager
    def _open(self, name: str) -> Iterator[tuple[IO[bytes], int]]:
        """Yield a stream at the start of an array's .npy data, and its size in bytes."""
        member = self._members[name]
        if self._archive is None:
            size = self._file.seek(0, io.SEEK_END)
            self._file.seek(0)
            yield self._file, size
        else:
            with self._archive.open(member) as stream:
                yield stream, self._archive.getinfo(member).file_size


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read shape, Fortran order and type; the stream then stands at the numbers."""
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"its format {version} is unknown")
    length_format, read = _HEADERS[version]
    start = stream.read(struct.calcsize(length_format))
    try:
        (length,) = struct.unpack(length_format, start)
        if length > _LONGEST_HEADER:
            raise ValueError(f"it is {length} bytes long")
        shape, fortran_order, dtype = read(io.BytesIO(start + stream.read(length)))
        if not all(type(side) is int and side >= 0 for side in shape):  # True is a Python integer
            raise ValueError(f"its shape is {shape}")
    except Exception as error:  # NumPy parses the header as Python, which may raise anything
        raise ValueError(f"its header is damaged: {error}") from error
    return shape, fortran_order, dtype


def check_fits(num_bytes: int, what: str) -> None:
    """Raise a DataError if so many bytes exceed the memory of this machine."""
    if num_bytes > machine_bytes():
        raise DataError(f"{what} would take {num_bytes / 1e9:.3g} GB; {describe_memory()}")


def describe_memory() -> str:
    """Return "this machine has ... GB", for an error message."""
    return f"this machine has {machine_bytes() / 1e9:.3g} GB"


@functools.cache
def machine_bytes() -> int:
    """Return the memory of this machine in bytes, or the limit of its container if it is lower."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in MEMORY_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # no container, or no limit ("max")
            limits.append(int(Path(path).read_text()))
    return min(limits)
