"""Check arrays that a user passes to a run."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, Num

from gradlog.data.dataset import DataError, Dataset


def check_data(x: Any, dataset: Dataset) -> Num[np.ndarray, "n *D"]:
    """Return data as stored, in the units of a data set.

    Raises:
      DataError: their shape is another, they are not finite, or not among the levels of the data.
    """
    return check_stored(x, dataset.shape, dataset.levels, dataset.name)


def check_stored(
    x: Any, shape: tuple[int, ...], levels: int | None, like: str
) -> Num[np.ndarray, "n *D"]:
    """Return an array of n > 0 data as stored.

    Args:
      x: the data.
      shape: the shape of one example.
      levels: the number of their levels; None for continuous data.
      like: the data or the model that they should fit, to be named.

    Raises:
      DataError: their shape is another, they are not finite in float32, or not among the levels.
    """
    x = _check_points(x, shape, "data")
    if x.dtype.kind == "f":
        with np.errstate(over="ignore"):
            finite = np.isfinite(x.astype(np.float32)).reshape(len(x), -1).all(axis=1)
        if not finite.all():
            raise DataError(
                f"data must be finite in float32: {np.sum(~finite)} of {len(x)} examples are not, "
                f"the first at index {finite.argmin()}"
            )
    top = None if levels is None else levels - 1
    if top is not None and not (x.min() >= 0 and x.max() <= top and np.all(x == np.round(x))):
        raise DataError(
            f"data from {x.min():g} to {x.max():g} are not like {like}: pass them as they are "
            f"stored, in whole numbers from 0 to {top}"
        )
    return x


def check_points(x: Any, dataset: Dataset, what: str) -> Num[np.ndarray, "n *D"]:
    """Return an array of n > 0 points of the shape of a data set.

    Raises:
      DataError: the array has another shape, or holds no real numbers.
    """
    return _check_points(x, dataset.shape, what)


def _check_points(x: Any, shape: tuple[int, ...], what: str) -> Num[np.ndarray, "n *D"]:
    x, inner = np.asarray(x), str(shape)[1:-1].rstrip(",")
    if jnp.issubdtype(x.dtype, jnp.floating) and x.dtype.kind != "f":  # of JAX, as bfloat16
        x = x.astype(np.float32)
    if x.dtype.kind not in "biuf":
        raise DataError(f"{what} of type {x.dtype} are not real numbers")
    if not len(x.shape) or not x.size or x.shape[1:] != shape:
        raise DataError(f"{what} of shape {x.shape} do not fit: (n, {inner}) with n > 0 is needed")
    return x


def check_labels(labels: Any, count: int, num_classes: int) -> Int[np.ndarray, " n"]:
    """Return the numbers of classes that a user passes, one for each example.

    Raises:
      DataError: there are more or fewer, or some are no whole numbers from 0 to num_classes - 1.
    """
    labels = np.asarray(labels)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise DataError(
            f"labels of shape {labels.shape} and type {labels.dtype} do not fit: one whole number "
            f"for each of {count} examples is needed"
        )
    if count and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        raise DataError(
            f"labels from {labels.min()} to {labels.max()} do not fit a model of num_classes = "
            f"{num_classes}, which counts classes from 0"
        )
    return labels
