"""Inception's weights from the files in which they are published."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from gradlog.evaluation.features.inception.graph_file import read_graph_file
from gradlog.evaluation.features.inception.network import SIZE, Inception
from gradlog.evaluation.features.inception.torch_file import read_torch_file
from gradlog.evaluation.quality import QualityError

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


def read_weights(path: str) -> dict[str, Any]:
    """The variables of ``Inception`` from one of the published files.

    Raises:
      QualityError: there is no such file, it is damaged, or of another network.
    """
    if not path:
        raise QualityError(
            f"config.quality.inception is not given: it names Inception's weights, {PUBLISHED}"
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
    """The network's variables from arrays under other names.

    Raises:
      ValueError: one is missing, misshapen or not finite.
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
    """Of ``('Mixed_5b', 'branch1x1', 'conv', 'kernel')``: Mixed_5b.branch1x1.conv.weight."""
    return ".".join((*path[:-2], _TORCH[path[-1]]))


def graph_name(path: tuple[str, ...]) -> str:
    """Of ``('Mixed_5b', 'branch1x1', 'conv', 'kernel')``: mixed/conv/conv2d_params."""
    leaf = _GRAPH[path[-1]]
    if path[0] in _STEM:
        return f"{_numbered('conv', _STEM.index(path[0]))}/{leaf}"
    block = path[0].removeprefix("Mixed_")
    return f"{_numbered('mixed', _BLOCKS.index(block))}/{_place(block, path[1])}/{leaf}"


def _place(block: str, branch: str) -> str:
    """Where in a block a convolution is: a tower, and a number in it; a fork is 'mixed' again."""
    chain, number, fork = re.findall(r"^(\w+?)(?:_(\d)([ab]?))?$", branch)[0]
    tower = _TOWERS.get(block, _TOWERS[block[0]])[chain]
    last = _numbered("conv", "ab".index(fork) if fork else int(number or 1) - 1)
    return "/".join(filter(None, (tower, "mixed" if fork else "", last)))


def _numbered(name: str, index: int) -> str:
    return f"{name}_{index}" if index else name


def variable_shapes() -> dict[tuple[str, ...], tuple[int, ...]]:
    """Of each of the network's variables, by its path."""
    image = jnp.zeros((1, SIZE, SIZE, 3))
    variables: Any = jax.eval_shape(Inception().init, jax.random.key(0), image)
    leaves: dict[tuple[str, ...], Any] = flatten_dict(variables)
    return {path: leaf.shape for path, leaf in leaves.items()}
