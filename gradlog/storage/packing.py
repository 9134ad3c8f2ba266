"""Small arrays put together: Orbax takes half a millisecond for each array, however small."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from gradlog.storage.layout import Arrays

_SMALL, _PACK = 2**18, 2**24  # bytes
Places = dict[str, str]  # the name of an array: that of the stored one which holds it


def places_of(arrays: Mapping[str, np.ndarray]) -> Places:
    """Where each array is stored: by itself, or in a pack of its type; nowhere if it is empty."""
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


def packed(arrays: Mapping[str, np.ndarray], places: Places) -> Arrays:
    """The arrays as they are stored: those of a pack one after another, in their order."""
    return {
        pack: arrays[names[0]]
        if names == [pack]
        else np.concatenate([arrays[name].reshape(-1) for name in names])
        for pack, names in _members(places).items()
    }


def unpacked(
    stored: Mapping[str, np.ndarray], places: Places, shapes: Mapping[str, Sequence[int]]
) -> Arrays:
    """The inverse of ``packed``, for arrays of these shapes."""
    found: Arrays = {}
    for pack, names in _members(places).items():
        ends = np.cumsum([math.prod(shapes[name]) for name in names])
        parts = np.split(stored[pack].reshape(-1), ends[:-1])
        for name, part in zip(names, parts, strict=True):
            found[name] = part.reshape(shapes[name]).copy()
    return found


def _members(places: Places) -> dict[str, list[str]]:
    """The names that each stored array holds, in order."""
    members: dict[str, list[str]] = {}
    for name in sorted(places):
        members.setdefault(places[name], []).append(name)
    return members
