"""Checkpoints of score_sde and score_flow: the msgpack of their training state, by old flax."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flax.serialization import msgpack_restore
from flax.traverse_util import flatten_dict, unflatten_dict

from gradlog.storage.errors import CheckpointError

Flat = dict[str, Any]  # arrays by path, such as ``Conv_0/kernel``
# The errors of reading a tree with other contents, or with too many levels.
_OTHER = (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError)
MAX_STEP = 2**31  # a training state counts in 32 bits
_MAX_SHOWN = 4  # parameters in one message


@dataclass(frozen=True)
class OfficialState:
    """A training state of score_sde or score_flow. Arrays are by path, such as ``a/b/kernel``.

    Attributes:
      step: number of batches done.
      updates: number of updates by Adam.
      learning_rate: the rate after its warm-up.
      ema_decay: decay of the averaged parameters.
      params: the trained parameters.
      ema_params: their moving averages, which are what is evaluated.
      mean: Adam's means of the gradients.
      mean_square: Adam's means of their squares.
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
    """Read a file that ``flax.training.checkpoints.save_checkpoint`` wrote of their ``State``.

    The file is parsed as data: nothing in it is executed.

    Raises:
      CheckpointError: the file does not exist, is something else, or is incomplete.
    """
    try:
        if path.exists() and not path.is_file():
            raise CheckpointError(f"--source={path} is no file")
        tree: Any = msgpack_restore(path.read_bytes())
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"--source={path}: {error.strerror}") from error
    except Exception as error:  # whatever msgpack and flax raise for other bytes
        raise CheckpointError(
            f"--source={path} is not a flax checkpoint (msgpack), or not all of it: "
            f"{type(error).__name__}: {error}"
        ) from error
    try:
        if not 0 <= int(tree["step"]) < MAX_STEP:
            raise ValueError(f"step = {tree['step']}")
        optimizer = tree["optimizer"]
        moments = _flatten_arrays(optimizer["state"]["param_states"])
        mean, mean_square = (
            {
                key.removesuffix(f"/{name}"): value
                for key, value in moments.items()
                if key.endswith(f"/{name}")
            }
            for name in ("grad_ema", "grad_sq_ema")
        )
        return OfficialState(
            step=int(tree["step"]),
            updates=int(optimizer["state"]["step"]),
            learning_rate=float(tree["lr"]),
            ema_decay=float(tree["ema_rate"]),
            params=_flatten_arrays(optimizer["target"]),
            ema_params=_flatten_arrays(tree["params_ema"]),
            mean=mean,
            mean_square=mean_square,
        )
    except _OTHER as error:
        raise CheckpointError(
            f"{path} is no training state of score_sde or score_flow: {error!r:.200}; expected "
            "step, lr, ema_rate, params_ema and optimizer (target, state)"
        ) from error


def fit_arrays(found: Flat, wanted: Any, name: str) -> Any:
    """Return the arrays with the structure of ``wanted``.

    Axes of length one are no difference: flax 0.3 had a GroupNorm of shape (1, 1, 1, C).

    Args:
      found: arrays by path.
      wanted: a tree of arrays, or of ``jax.ShapeDtypeStruct``.
      name: what the arrays are, for messages.

    Raises:
      CheckpointError: parameters are missing, left over, of another shape, or not finite. The
        message names them.
    """
    if mismatches := find_mismatches(found, wanted):
        rest = len(mismatches) - _MAX_SHOWN
        shown = "; ".join(mismatches[:_MAX_SHOWN]) + (f"; and {rest} more" if rest > 0 else "")
        raise CheckpointError(f"{name} of the file do not fit the model: {shown}")
    fitted = {}
    leaves: Flat = flatten_dict(wanted, sep="/")
    for key, leaf in leaves.items():
        with np.errstate(over="ignore"):
            array = np.asarray(found[key]).reshape(leaf.shape).astype(leaf.dtype)
        if not np.isfinite(array).all():
            raise CheckpointError(f"{key} of the file holds numbers that are not finite")
        fitted[key] = array
    return unflatten_dict(fitted, sep="/")


def find_mismatches(found: Flat, wanted: Any) -> list[str]:
    """Return a few words for every parameter that is missing, left over or of another shape."""
    shapes = flatten_dict(wanted, sep="/")
    missing = [f"{key} is missing" for key in sorted(shapes.keys() - found.keys())]
    extra = [f"{key} is not in the model" for key in sorted(found.keys() - shapes.keys())]
    other = []
    for key, leaf in sorted(shapes.items()):
        if key in found:
            array = np.asarray(found[key])
            is_float = array.dtype.kind == "f"
            squeezed = [tuple(n for n in shape if n != 1) for shape in (array.shape, leaf.shape)]
            if not is_float or squeezed[0] != squeezed[1]:
                what = f"{array.shape}" if is_float else f"{array.dtype} {array.shape}"
                other.append(f"{key} is {what} in the file, {tuple(leaf.shape)} in the model")
    return missing + extra + other


def _flatten_arrays(tree: Any) -> Flat:
    """Return the arrays of a group by path. Raise ValueError for anything else in it."""
    if not isinstance(tree, dict):
        raise ValueError(f"{type(tree).__name__} instead of a dictionary")
    flat = flatten_dict(tree, sep="/")
    for key, value in flat.items():
        if not isinstance(value, np.ndarray | np.generic):
            raise ValueError(f"{key} is no array")
    return flat
