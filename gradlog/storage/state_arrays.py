"""The arrays of a training state: their names, and their file."""

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradlog.storage.errors import CheckpointError

Arrays = dict[str, np.ndarray]
Places = dict[str, str]  # the name of each array: the name of the stored array that contains it
_NO_NUMBERS = "OSUmM"
_FILE = "arrays.npz"
# Version 0.1 had one group of parameters, and these names for it.
_FIELDS_0_1 = {"params": "params", "ema_params": "ema", "opt_state": "opt_state"}


# --- names ----------------------------------------------------------------------------------


def copy_arrays(tree: Any) -> Arrays:
    """Return copies of the leaves of a tree as NumPy arrays, by dotted name.

    They are copies because, on a CPU, the next training step may overwrite a device's memory.

    Raises:
      CheckpointError: a leaf is no array of numbers, or two leaves have one name.
    """
    arrays = {}
    for name, leaf in _name_leaves(jax.device_get(tree)).items():
        # ``jax.random.key_data`` makes an array of a typed key.
        is_key = hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        array = None if is_key else np.array(leaf)
        if array is None or array.dtype.kind in _NO_NUMBERS or not array.dtype.isnative:
            kind = leaf.dtype if array is None else array.dtype.str
            raise CheckpointError(f"{name} is {kind}, no array of numbers that can be stored")
        arrays[name] = array
    return arrays


def describe_arrays(tree: Any) -> dict[str, str]:
    """Return type and shape of every leaf by name, such as ``float32 (3, 2)``."""
    leaves = _name_leaves(tree).items()
    arrays = {name: leaf if hasattr(leaf, "dtype") else np.asarray(leaf) for name, leaf in leaves}
    return {name: f"{leaf.dtype} {tuple(leaf.shape)}" for name, leaf in arrays.items()}


def unflatten_arrays(arrays: Mapping[str, np.ndarray], like: Any) -> Any:
    """Return a tree with the structure of ``like`` and the arrays of the same names."""
    return jax.tree.unflatten(
        jax.tree.structure(like), [arrays[name] for name in _name_leaves(like)]
    )


def _name_leaves(tree: Any) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    named = {jax.tree_util.keystr(p, simple=True, separator="."): leaf for p, leaf in leaves}
    if len(named) < len(leaves):
        raise CheckpointError("two arrays of the state have one name, joined by dots")
    return named


def match_names(stored: Collection[str], wanted: Collection[str]) -> dict[str, str]:
    """Map the names in a checkpoint to the names in the program's state.

    Names of version 0.1 get the state's group of parameters: ``ema_params.Dense_0.bias`` becomes
    ``ema.network.Dense_0.bias``. Every other name stays.

    >>> match_names(["step", "ema_params.bias"], ["step", "params.network.bias"])
    {'step': 'step', 'ema_params.bias': 'ema.network.bias'}
    """
    is_old = any(name.startswith("ema_params.") for name in set(stored) - set(wanted))
    if not is_old:
        return {name: name for name in stored}
    groups = {name.split(".")[1] for name in wanted if name.startswith("params.")}
    group = groups.pop() if len(groups) == 1 else "network"
    matched = {}
    for name in stored:
        field, *rest = name.split(".", 1)
        is_grouped = field in _FIELDS_0_1
        matched[name] = ".".join([_FIELDS_0_1[field], group, *rest]) if is_grouped else name
    return matched


# --- files ----------------------------------------------------------------------------------


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays into a file that ``numpy.load`` opens."""
    contents: Any = arrays
    np.savez(folder / _FILE, **contents)


def read_arrays(folder: Path, names: Collection[str]) -> Arrays:
    """Read the arrays of these names. Types that NumPy does not know, as bfloat16, are void."""
    if not (folder / _FILE).exists():
        return _read_orbax(folder, names)
    with np.load(folder / _FILE, allow_pickle=False) as stored:
        return {name: stored[name] for name in names}


def _read_orbax(folder: Path, names: Collection[str]) -> Arrays:
    """Read what version 0.1 wrote with Orbax; no other host is waited for."""
    import orbax.checkpoint as ocp  # it takes a second

    host = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=host, active_processes={host}, barrier_sync_key_prefix=f"host{host}"
    )
    as_numpy = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in names}
    handler: Any = ocp.PyTreeCheckpointHandler(
        multiprocessing_options=alone, use_ocdbt=True, use_zarr3=True
    )
    try:
        wanted = ocp.args.PyTreeRestore(restore_args=as_numpy)
        found = handler.restore(folder.absolute(), args=wanted)
    finally:
        handler.close()
    return {name: np.asarray(found[name]) for name in names}


def unpack(stored: Mapping[str, np.ndarray], places: Places, like: Mapping[str, Any]) -> Arrays:
    """Return the arrays with the shapes and types of ``like``, by name.

    Version 0.1 packed small arrays of a type into one, in the order of their names.
    """
    names_by_place: dict[str, list[str]] = {}
    for name in sorted(places):
        names_by_place.setdefault(places[name], []).append(name)
    found: Arrays = {}
    for place, names in names_by_place.items():
        ends = np.cumsum([math.prod(like[name].shape) for name in names])
        parts = np.split(stored[place].reshape(-1), ends[:-1])
        for name, part in zip(names, parts, strict=True):
            found[name] = part.copy().view(like[name].dtype).reshape(like[name].shape)
    return found
