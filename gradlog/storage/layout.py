"""The arrays of a tree by the names of their places."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradlog.storage.errors import CheckpointError

Arrays = dict[str, np.ndarray]
_NO_NUMBERS = "OSUmM"


def copied(tree: Any) -> Arrays:
    """The leaves of a tree as NumPy arrays of their own, by name.

    Raises:
      CheckpointError: a leaf is no plain array, or two have one name.
    """
    return {name: _plain(name, leaf) for name, leaf in _named(jax.device_get(tree)).items()}


def types(tree: Any) -> dict[str, str]:
    """Type and shape of every leaf by name, such as ``float32 (3, 2)``."""
    return {name: type_of(leaf) for name, leaf in _named(tree).items()}


def type_of(leaf: Any) -> str:
    leaf = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
    return f"{leaf.dtype} {tuple(leaf.shape)}"


def arranged(arrays: Mapping[str, np.ndarray], like: Any) -> Any:
    """The arrays in the structure of another tree of the same names."""
    return jax.tree.unflatten(jax.tree.structure(like), [arrays[name] for name in _named(like)])


def _named(tree: Any) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    named = {jax.tree_util.keystr(p, simple=True, separator="."): leaf for p, leaf in leaves}
    if len(named) < len(leaves):
        raise CheckpointError("two arrays of the state have one name, joined by dots")
    return named


def _plain(name: str, leaf: Any) -> np.ndarray:
    # A copy: on a CPU what a device gives is its own memory, which the next step may have.
    array = None if _is_key(leaf) else np.array(leaf)
    if array is None or array.dtype.kind in _NO_NUMBERS or not array.dtype.isnative:
        kind = leaf.dtype if array is None else array.dtype.str
        raise CheckpointError(f"{name} is {kind}, no array of numbers that can be kept")
    return array


def _is_key(leaf: Any) -> bool:
    """Whether it is a typed key; ``jax.random.key_data`` makes an array of it."""
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
