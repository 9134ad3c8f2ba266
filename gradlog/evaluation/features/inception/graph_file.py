"""Constants of a frozen TensorFlow graph, read as data: no graph is built."""

import io
import math
import tarfile
import zlib
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from tensorboardX.proto import graph_pb2

from gradlog.data import check_fits

MEMBER = "classify_image_graph_def.pb"
_DAMAGED = (DecodeError, tarfile.TarError, zlib.error, OSError, EOFError)
_FLOAT32 = 1  # of TensorFlow's DataType


def read_graph_file(content: bytes) -> dict[str, np.ndarray]:
    """The float32 constants of a GraphDef by name; also of the archive that it is published in.

    Raises:
      ValueError: damaged, or not such a file.
    """
    try:
        content = _unpacked(content)
        graph = graph_pb2.GraphDef.FromString(content)  # pyright: ignore[reportAttributeAccessIssue]
    except _DAMAGED as error:
        raise ValueError(f"it is no frozen TensorFlow graph: {error}") from error
    constants = {
        node.name: node.attr["value"].tensor
        for node in graph.node
        if node.op == "Const" and "value" in node.attr
    }
    return {
        name: _array(name, tensor) for name, tensor in constants.items() if tensor.dtype == _FLOAT32
    }


def _unpacked(content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for entry in archive:
            if entry.isfile() and entry.name.rpartition("/")[2] == MEMBER:
                check_fits(entry.size, f"its {MEMBER}")
                file = archive.extractfile(entry)
                return file.read() if file else b""
    raise ValueError(f"there is no {MEMBER} in it")


def _array(name: str, tensor: Any) -> np.ndarray:
    """Its numbers, packed or listed; one listed number stands for all."""
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    packed = tensor.tensor_content
    values = np.frombuffer(packed, "<f4") if packed else np.array(tensor.float_val, np.float32)
    count = math.prod(shape)
    if len(values) not in (1, count):
        raise ValueError(f"{name} has {len(values)} numbers for the shape {shape}")
    return np.broadcast_to(values, count).reshape(shape)
