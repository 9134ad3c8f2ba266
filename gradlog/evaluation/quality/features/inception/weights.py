"""The weights of Inception, read from the files in which they are published."""

import gzip
import io
import math
import os
import re
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from google.protobuf.message import DecodeError
from tensorboardX.proto import graph_pb2

from gradlog.evaluation.quality.feature_sets import QualityError
from gradlog.evaluation.quality.features.inception.network import SIZE, Inception
from gradlog.evaluation.quality.features.inception.torch_file import read_torch_file

PUBLISHED = (
    "inception-2015-12-05.tgz from http://download.tensorflow.org/models/image/imagenet/ or "
    "pt_inception-2015-12-05-6726825d.pth from "
    "https://github.com/mseitzer/pytorch-fid/releases/tag/fid_weights"
)

# What the leaves of a convolution are called in a file; of the kernel also its axes there.
_TORCH = {
    "kernel": "conv.weight",
    "scale": "bn.weight",
    "bias": "bn.bias",
    "mean": "bn.running_mean",
    "var": "bn.running_var",
}
_GRAPH = {
    "kernel": "conv2d_params",
    "scale": "batchnorm/gamma",
    "bias": "batchnorm/beta",
    "mean": "batchnorm/moving_mean",
    "var": "batchnorm/moving_variance",
}
_STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
_BLOCKS = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")
_PARALLEL = {"branch1x1": "", "branch3x3dbl": "tower_1", "branch_pool": "tower_2"}
_TOWERS = {
    "5": _PARALLEL | {"branch5x5": "tower"},
    "6": _PARALLEL | {"branch7x7": "tower", "branch7x7dbl": "tower_1"},
    "7": _PARALLEL | {"branch3x3": "tower"},
    "6a": {"branch3x3": "", "branch3x3dbl": "tower"},
    "7a": {"branch3x3": "tower", "branch7x7x3": "tower_1"},
}
_LARGEST = 1 << 30  # bytes of the unpacked archive; the published one has 98 MB
MEMBER = "classify_image_graph_def.pb"
_DAMAGED = (DecodeError, tarfile.TarError, zlib.error, OSError, EOFError)
_FLOAT32 = 1  # of TensorFlow's DataType


def read_weights(path: str) -> dict[str, Any]:
    """Return the variables of `Inception` from one of the published files.

    Raises:
      QualityError: the file is missing, damaged, or of another network.
    """
    if not path:
        raise QualityError(
            f"config.quality.inception is empty: set it to the file of the weights, {PUBLISHED}"
        )
    file = Path(os.path.expanduser(path))
    if not file.is_file():
        raise QualityError(
            f"config.quality.inception: there is no file {file}; the weights are {PUBLISHED}"
        )
    content = file.read_bytes()
    from_torch = content.startswith((b"PK", b"\x80"))
    try:
        if from_torch:
            return assemble(read_torch_file(content), torch_name, (2, 3, 1, 0))
        return assemble(read_graph_file(content), graph_name, (0, 1, 2, 3))
    except ValueError as error:
        raise QualityError(
            f"config.quality.inception: {file} cannot be used: {error}; the weights are {PUBLISHED}"
        ) from error


def assemble(
    arrays: dict[str, np.ndarray],
    name_of: Callable[[tuple[str, ...]], str],
    kernel_axes: tuple[int, int, int, int],
) -> dict[str, Any]:
    """Return the variables of the network from arrays under other names.

    Raises:
      ValueError: an array is missing, has another shape, or is not finite.
    """
    found = {}
    for path, expected in variable_shapes().items():
        name = name_of(path[1:])
        if name not in arrays:
            raise ValueError(f"{name} is missing")
        array = arrays[name]
        if path[-1] == "kernel" and array.ndim == 4:
            array = array.transpose(kernel_axes)
        if array.shape != expected:
            raise ValueError(f"{name} has shape {array.shape}, expected {expected}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds numbers that are not finite")
        found[path] = array.astype(np.float32)
    return unflatten_dict(found)


def torch_name(path: tuple[str, ...]) -> str:
    """Return 'Mixed_5b.branch1x1.conv.weight' for ('Mixed_5b', 'branch1x1', 'conv', 'kernel')."""
    return ".".join((*path[:-2], _TORCH[path[-1]]))


def graph_name(path: tuple[str, ...]) -> str:
    """Return 'mixed/conv/conv2d_params' for ('Mixed_5b', 'branch1x1', 'conv', 'kernel')."""
    leaf = _GRAPH[path[-1]]
    if path[0] in _STEM:
        return f"{_numbered('conv', _STEM.index(path[0]))}/{leaf}"
    block = path[0].removeprefix("Mixed_")
    return f"{_numbered('mixed', _BLOCKS.index(block))}/{_place(block, path[1])}/{leaf}"


def _place(block: str, branch: str) -> str:
    """Return the place of a convolution: its tower and number; a fork is called 'mixed' again."""
    chain, number, fork = re.findall(r"^(\w+?)(?:_(\d)([ab]?))?$", branch)[0]
    tower = _TOWERS.get(block, _TOWERS[block[0]])[chain]
    last = _numbered("conv", "ab".index(fork) if fork else int(number or 1) - 1)
    return "/".join(filter(None, (tower, "mixed" if fork else "", last)))


def _numbered(name: str, index: int) -> str:
    return f"{name}_{index}" if index else name


def variable_shapes() -> dict[tuple[str, ...], tuple[int, ...]]:
    """Return the shape of each variable of the network, by its path."""
    image = jnp.zeros((1, SIZE, SIZE, 3))
    variables: Any = jax.eval_shape(Inception().init, jax.random.key(0), image)
    leaves: dict[tuple[str, ...], Any] = flatten_dict(variables)
    return {path: leaf.shape for path, leaf in leaves.items()}


def read_graph_file(content: bytes) -> dict[str, np.ndarray]:
    """Return the float32 constants of a GraphDef, or of its published archive, by name.

    The graph is read as data; TensorFlow is not needed.

    Raises:
      ValueError: the file is damaged, or of another kind.
    """
    try:
        content = _unpack(content)
        graph = graph_pb2.GraphDef.FromString(content)  # pyright: ignore[reportAttributeAccessIssue]
    except _DAMAGED as error:
        raise ValueError(f"it is not a frozen TensorFlow graph: {error}") from error
    constants = {
        node.name: node.attr["value"].tensor
        for node in graph.node
        if node.op == "Const" and "value" in node.attr
    }
    return {
        name: _array(name, tensor) for name, tensor in constants.items() if tensor.dtype == _FLOAT32
    }


def _unpack(content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    # All of it, because a header in it may claim any size, and zeros take no room in the file.
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as unpacked:
        content = unpacked.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"it unpacks to more than {_LARGEST / 1e9:.3g} GB")
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        for entry in archive:
            if entry.isfile() and entry.name.rpartition("/")[2] == MEMBER:
                file = archive.extractfile(entry)
                return file.read() if file else b""
    raise ValueError(f"there is no {MEMBER} in it")


def _array(name: str, tensor: Any) -> np.ndarray:
    """Return its numbers, which are packed or listed; one listed number stands for all."""
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    packed = tensor.tensor_content
    values = np.frombuffer(packed, "<f4") if packed else np.array(tensor.float_val, np.float32)
    count = math.prod(shape)
    if len(values) not in (1, count):
        raise ValueError(f"{name} has {len(values)} numbers for the shape {shape}")
    return np.broadcast_to(values, count).reshape(shape)
