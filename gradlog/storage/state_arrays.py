"""The arrays of a training state on disk: their names, their packs, and Orbax's files."""

import contextlib
import logging
import math
import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradlog.storage.errors import CheckpointError

Arrays = dict[str, np.ndarray]
Places = dict[str, str]  # the name of each array: the name of the stored array that contains it
_NO_NUMBERS = "OSUmM"
_SMALL, _PACK = 2**18, 2**24  # bytes
_LOCK = threading.Lock()
_HOOKS: list[Callable[[threading.ExceptHookArgs], Any]] = []  # the hook of threads, once for a call
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


# --- packs: Orbax takes half a millisecond for each array, however small ---------------------


def assign_places(arrays: Mapping[str, np.ndarray]) -> Places:
    """Assign every array to itself or to a pack of small arrays of its type; empty ones to none."""
    places: Places = {}
    filled: dict[str, int] = {}  # bytes in the packs of a type
    for name, array in sorted(arrays.items()):
        kind = str(array.dtype)
        if array.nbytes >= _SMALL:
            places[name] = name
        elif array.size:
            places[name] = f"packed {kind} {filled.get(kind, 0) // _PACK}"
            filled[kind] = filled.get(kind, 0) + array.nbytes
    return places


def pack(arrays: Mapping[str, np.ndarray], places: Places) -> Arrays:
    """Return the arrays as they are stored. A pack holds its arrays in the order of their names."""
    return {
        place: arrays[names[0]]
        if names == [place]
        else np.concatenate([arrays[name].reshape(-1) for name in names])
        for place, names in _names_by_place(places).items()
    }


def unpack(
    stored: Mapping[str, np.ndarray], places: Places, shapes: Mapping[str, Sequence[int]]
) -> Arrays:
    """Return the arrays of these shapes: the inverse of ``pack``."""
    found: Arrays = {}
    for place, names in _names_by_place(places).items():
        ends = np.cumsum([math.prod(shapes[name]) for name in names])
        parts = np.split(stored[place].reshape(-1), ends[:-1])
        for name, part in zip(names, parts, strict=True):
            found[name] = part.reshape(shapes[name]).copy()
    return found


def _names_by_place(places: Places) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in sorted(places):
        found.setdefault(places[name], []).append(name)
    return found


# --- Orbax's files, written and read by this host alone --------------------------------------


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays, none of them empty, into an empty folder."""
    import orbax.checkpoint as ocp

    with _open_handler() as handler:
        handler.save(folder.absolute(), args=ocp.args.PyTreeSave(dict(arrays)))
        handler.finalize(folder.absolute())
    for root, _, _ in os.walk(folder, topdown=False):  # Orbax leaves empty folders
        if root != str(folder) and not os.listdir(root):
            os.rmdir(root)


def read_arrays(folder: Path, names: list[str]) -> Arrays:
    """Read the arrays of these names."""
    import orbax.checkpoint as ocp

    as_numpy = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in names}
    with _open_handler() as handler:
        wanted = ocp.args.PyTreeRestore(restore_args=as_numpy)
        found = handler.restore(folder.absolute(), args=wanted)
    return {name: np.asarray(found[name]) for name in names}


@contextlib.contextmanager
def _open_handler() -> Iterator[Any]:
    """Make a handler of Orbax that waits for no other host, and prints no error that it raises."""
    import orbax.checkpoint as ocp  # it takes a second

    host = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=host, active_processes={host}, barrier_sync_key_prefix=f"host{host}"
    )
    with _printing_no_errors():
        handler = ocp.PyTreeCheckpointHandler(
            multiprocessing_options=alone, use_ocdbt=True, use_zarr3=True
        )
        try:
            yield handler
        finally:
            handler.close()


@contextlib.contextmanager
def _printing_no_errors() -> Iterator[None]:
    """Silence errors that Orbax prints as well as raises: in its threads, and in absl's log.

    The hook of threads belongs to the process, so it is replaced for the length of a call only.
    Calls in several threads overlap, so the first one replaces it and the last one restores it.
    """
    with _LOCK:
        if not _HOOKS:
            threading.excepthook, hook = _print_errors_of_others, threading.excepthook
            logging.getLogger("absl").addFilter(_is_not_of_orbax)
        else:
            hook = _HOOKS[0]
        _HOOKS.append(hook)
    try:
        yield
    finally:
        with _LOCK:
            hook = _HOOKS.pop()
            if not _HOOKS:
                threading.excepthook = hook
                logging.getLogger("absl").removeFilter(_is_not_of_orbax)


def _print_errors_of_others(args: threading.ExceptHookArgs) -> None:
    if not type(args.thread).__module__.startswith("orbax"):
        (_HOOKS or [threading.__excepthook__])[0](args)


def _is_not_of_orbax(record: logging.LogRecord) -> bool:
    return "orbax" not in record.pathname
