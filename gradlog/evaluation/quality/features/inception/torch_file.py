"""Arrays of a file that ``torch.save`` wrote, read as data: no code in it is executed."""

import io
import math
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from gradlog.data import check_fits

_MAGIC = 0x1950A86A20F9469CFC6C
_MOST_AXES = 32  # of a tensor
_DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}


@dataclass
class _Storage:
    """Numbers in memory; they are read after the pickle."""

    dtype: np.dtype
    count: int
    values: np.ndarray | None = None


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def num_bytes(self) -> int:
        """The memory that its array takes, whatever its storage holds."""
        if len(self.shape) > _MOST_AXES or not all(map(_is_count, self.shape)):
            raise ValueError("a tensor has an impossible shape or place")
        return math.prod(self.shape) * self.storage.dtype.itemsize

    def array(self) -> np.ndarray:
        values = self.storage.values
        if values is None or len(values) != self.storage.count:
            raise ValueError("its numbers are not all there")
        numbers = (self.offset, *self.shape, *self.strides)
        if len(self.shape) != len(self.strides) or not all(map(_is_count, numbers)):
            raise ValueError("a tensor has an impossible shape or place")
        steps = zip(self.shape, self.strides, strict=True)
        last = self.offset + sum((count - 1) * stride for count, stride in steps)
        if 0 not in self.shape and last >= len(values):
            raise ValueError("a tensor reaches beyond its storage")
        if math.prod(self.shape) > len(values):  # one number may stand for all in a tensor
            raise ValueError("a tensor is larger than its storage")
        strides = [stride * values.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, strides)
        return np.array(view)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


class _Opcodes(dict):
    """A table of what an unpickler does for each opcode that it knows."""

    def __missing__(self, code: int) -> None:
        raise ValueError(f"its pickle has the opcode {bytes([code])!r}: it holds more than weights")


# The unpickler that is written in Python. That in C allocates what a pickle only claims to hold.
_Unpickler: Any = pickle._Unpickler


class _WeightsUnpickler(_Unpickler):
    """An unpickler with the opcodes and the functions that weights need, and no other.

    A key is a string: a pickle of 550 bytes can have a tuple that takes years to hash.

    Args:
      file: stands behind the pickle after ``load``.
      storages: receives the storages of the tensors, by name.
    """

    # PROTO, FRAME, MARK, STOP; NONE, NEWTRUE, NEWFALSE; BININT, BININT1, BININT2, LONG1, BINFLOAT;
    # BINUNICODE, SHORT_BINUNICODE, BINSTRING, SHORT_BINSTRING; tuples, lists, dictionaries; the
    # memo; GLOBAL, STACK_GLOBAL, REDUCE, BINPERSID.
    dispatch = _Opcodes(
        (code, _Unpickler.dispatch[code])
        for code in b"\x80\x95(.N\x88\x89JKM\x8aGX\x8cTU)\x85\x86\x87t]ae}qr\x94hjc\x93RQ"
    )

    def __init__(self, file: IO[bytes], storages: dict[str, _Storage]):
        super().__init__(file)
        self._storages = storages

    def find_class(self, module: str, name: str, /) -> Any:
        known: dict[tuple[str, str], Callable] = {
            ("collections", "OrderedDict"): lambda: {},
            ("torch._utils", "_rebuild_tensor_v2"): _make_tensor,
            ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
        }
        if module == "torch" and name in _DTYPES:
            return name
        if (module, name) not in known:
            raise ValueError(f"it asks for {module}.{name}: it holds more than weights")
        return known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, count = pid[:5]
        if kind != "storage" or (len(pid) > 5 and pid[5] is not None):
            raise ValueError("it holds a storage of an unknown kind")
        if type(key) is not str or type(dtype) is not str:
            raise ValueError("it holds a storage without a name or a type")
        return self._storages.setdefault(key, _Storage(_DTYPES[dtype], count))

    def _set_items(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not dict or not all(type(key) is str for key in items[::2]):
            raise ValueError("its pickle has a key that is no name")
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    dispatch[pickle.SETITEM[0]] = _set_item
    dispatch[pickle.SETITEMS[0]] = lambda self: self._set_items(self.pop_mark())
    # Attributes of a dictionary, such as the versions of modules.
    dispatch[pickle.BUILD[0]] = lambda self: self.stack.pop()


def _make_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_) -> _Tensor:
    if (type(storage), type(shape), type(strides)) != (_Storage, tuple, tuple):
        raise ValueError("a tensor has an impossible shape or place")
    return _Tensor(storage, offset, shape, strides)


def read_torch_file(content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of a state dictionary by name, from either of PyTorch's two formats.

    Raises:
      ValueError: the file is damaged, holds something else, or would execute code.
    """
    read = _read_zip if zipfile.is_zipfile(io.BytesIO(content)) else _read_legacy
    try:
        found = read(content)
        if not isinstance(found, dict) or not all(isinstance(t, _Tensor) for t in found.values()):
            raise ValueError("it is not a dictionary of tensors")
        tensors: dict[str, _Tensor] = found
        check_fits(sum(tensor.num_bytes for tensor in tensors.values()), "what its tensors hold")
        return {name: tensor.array() for name, tensor in tensors.items()}
    except (ValueError, KeyError, EOFError, OSError) as error:
        raise ValueError(str(error) or "it ends too early") from error
    except Exception as error:  # a damaged pickle may end in any of Python's errors
        raise ValueError(f"it cannot be unpickled: {error}") from error


def _read_zip(content: bytes) -> Any:
    """Read the format since PyTorch 1.6: an archive of the pickle and a file for each storage."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        check_fits(sum(member.file_size for member in archive.infolist()), "what it unpacks to")
        (name,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        folder = name.removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.namelist():
            _check_order(archive.read(f"{folder}byteorder") == b"little")
        storages: dict[str, _Storage] = {}
        found = _WeightsUnpickler(io.BytesIO(archive.read(name)), storages).load()
        for key, storage in storages.items():
            storage.values = np.frombuffer(archive.read(f"{folder}data/{key}"), storage.dtype)
    return found


def _read_legacy(content: bytes) -> Any:
    """Read the format until PyTorch 1.5: pickles of header, tensors and keys, then the storages."""
    file, storages = io.BytesIO(content), {}
    load = lambda: _WeightsUnpickler(file, storages).load()  # noqa: E731
    if load() != _MAGIC:
        raise ValueError("it is not a file of PyTorch")
    load()  # the version of the format
    _check_order(load().get("little_endian", True))
    found = load()
    for key in load():
        storage = storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        if count != storage.count:  # of which one that is negative would read all
            raise ValueError("a storage is not as long as it should be")
        storage.values = np.frombuffer(file.read(count * storage.dtype.itemsize), storage.dtype)
    return found


def _check_order(little: bool) -> None:
    if not little:
        raise ValueError("it was written on a machine of the other byte order")
