"""Checkpoints of score_sde and score_flow: flax's msgpack of their training state."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flax.serialization import msgpack_restore
from flax.traverse_util import flatten_dict, unflatten_dict

from gradlog.storage.errors import CheckpointError

Flat = dict[str, Any]
# What reading it raises where a tree is of something else, or of too many levels.
_OTHER = (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError)
MAX_STEP = 2**31  # a training state counts in 32 bits
_MOMENTS = ("grad_ema", "grad_sq_ema")


@dataclass(frozen=True)
class OfficialState:
    """A training state of score_sde or score_flow; arrays by their path, ``a/b/kernel``.

    Attributes:
      step: batches done.
      updates: updates of Adam.
      learning_rate: without its warm-up.
      ema_decay: of the averaged parameters.
      params: the parameters that were trained.
      ema_params: their moving average, which is what is evaluated.
      mean: Adam's mean of gradients.
      mean_square: Adam's mean of their squares.
    """

    step: int
    updates: int
    learning_rate: float
    ema_decay: float
    params: Flat
    ema_params: Flat
    mean: Flat
    mean_square: Flat


def read_official(path: Path) -> OfficialState:
    """Reads what ``flax.training.checkpoints.save_checkpoint`` wrote of their ``State``.

    The file is parsed as data: nothing in it is executed.

    Raises:
      CheckpointError: it is not there, no such file, or not whole.
    """
    tree = _parse(path)
    try:
        if not 0 <= int(tree["step"]) < MAX_STEP:
            raise ValueError(f"step = {tree['step']}")
        optimizer = tree["optimizer"]
        moments = _arrays(optimizer["state"]["param_states"])
        mean, mean_square = (_ending(moments, name) for name in _MOMENTS)
        return OfficialState(
            step=int(tree["step"]),
            updates=int(optimizer["state"]["step"]),
            learning_rate=float(tree["lr"]),
            ema_decay=float(tree["ema_rate"]),
            params=_arrays(optimizer["target"]),
            ema_params=_arrays(tree["params_ema"]),
            mean=mean,
            mean_square=mean_square,
        )
    except _OTHER as error:
        raise CheckpointError(
            f"{path} is no training state of score_sde or score_flow: {error!r:.200} where "
            "step, lr, ema_rate, params_ema and optimizer (target, state) are looked for"
        ) from error


def fitted(found: Flat, wanted: Any, name: str) -> Any:
    """The arrays in the structure of ``wanted``, whose leaves have shapes and types.

    Axes of length one are no difference: flax 0.3 had a GroupNorm of shape (1, 1, 1, C).

    Args:
      found: arrays by path.
      wanted: a tree of arrays, or of what ``jax.eval_shape`` gives.
      name: of the group, for messages.

    Raises:
      CheckpointError: parameters are missing, left over, of another shape or no finite numbers; it
        names them.
    """
    shapes = _flat(wanted)
    if complaints := misfits(found, wanted):
        raise CheckpointError(f"{name} of the file do not fit the model: {_few(complaints)}")
    return unflatten_dict(
        {key: _like(found[key], leaf, key) for key, leaf in shapes.items()}, sep="/"
    )


def misfits(found: Flat, wanted: Any) -> list[str]:
    """Every parameter that is missing, extra or misshapen, in a few words each."""
    shapes = _flat(wanted)
    missing = [f"{key} is missing" for key in sorted(shapes.keys() - found.keys())]
    extra = [f"{key} is not in the model" for key in sorted(found.keys() - shapes.keys())]
    other = [
        f"{key} is {_describe(found[key])} in the file, {tuple(leaf.shape)} in the model"
        for key, leaf in sorted(shapes.items())
        if key in found and not _fits(found[key], leaf)
    ]
    return missing + extra + other


def _parse(path: Path) -> Any:
    try:
        if path.exists() and not path.is_file():
            raise CheckpointError(f"--source={path} is no file")
        return msgpack_restore(path.read_bytes())
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"--source={path}: {error.strerror}") from error
    except Exception as error:  # whatever msgpack and flax raise on bytes that are something else
        raise CheckpointError(
            f"--source={path} is not a flax checkpoint (msgpack), or not all of it: "
            f"{type(error).__name__}: {error}"
        ) from error


def _flat(tree: Any) -> Flat:
    return flatten_dict(tree, sep="/")


def _arrays(tree: Any) -> Flat:
    """The arrays of a group in the file by path; raises ValueError for anything else in it."""
    if not isinstance(tree, dict):
        raise ValueError(f"{type(tree).__name__} in the place of a dictionary")
    flat = _flat(tree)
    for key, value in flat.items():
        if not isinstance(value, np.ndarray | np.generic):
            raise ValueError(f"{key} is no array")
    return flat


def _ending(moments: Flat, name: str) -> Flat:
    return {
        key.removesuffix(f"/{name}"): value
        for key, value in moments.items()
        if key.endswith(f"/{name}")
    }


def _fits(value: Any, leaf: Any) -> bool:
    squeezed = [tuple(n for n in shape if n != 1) for shape in (np.shape(value), leaf.shape)]
    return np.asarray(value).dtype.kind == "f" and squeezed[0] == squeezed[1]


def _like(value: Any, leaf: Any, key: str) -> np.ndarray:
    """The numbers in the shape and type of a leaf."""
    with np.errstate(over="ignore"):
        array = np.asarray(value).reshape(leaf.shape).astype(leaf.dtype)
    if not np.isfinite(array).all():
        raise CheckpointError(f"{key} of the file holds numbers that are not finite")
    return array


def _describe(value: Any) -> str:
    array = np.asarray(value)
    return f"{array.shape}" if array.dtype.kind == "f" else f"{array.dtype} {array.shape}"


def _few(complaints: list[str], shown: int = 4) -> str:
    rest = len(complaints) - shown
    return "; ".join(complaints[:shown]) + (f"; and {rest} more" if rest > 0 else "")
