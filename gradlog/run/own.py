"""Data that a user gives to a run."""

from typing import Any

import numpy as np
from jaxtyping import Num

from gradlog.data import DataError, Dataset


def check_stored(x: Any, dataset: Dataset) -> Num[np.ndarray, "n *D"]:
    """Data as stored, in the units of a data set.

    Raises:
      DataError: they have another shape, no finite values, or not the values of its levels.
    """
    x = check_shape(x, dataset, "data")
    if not np.isfinite(x).all():
        raise DataError("data must be finite")
    top = None if dataset.levels is None else dataset.levels - 1
    if top is not None and not (x.min() >= 0 and x.max() <= top and np.all(x == np.round(x))):
        raise DataError(
            f"data from {x.min():g} to {x.max():g} are not those of {dataset.name}: give them as "
            f"they are stored, in whole numbers from 0 to {top}"
        )
    return x


def check_shape(x: Any, dataset: Dataset, what: str) -> Num[np.ndarray, "n *D"]:
    """Numbers of as many as one point of the shape of a data set's.

    Raises:
      DataError: they have another shape, are none, or no numbers.
    """
    x, inner = np.asarray(x), str(dataset.shape)[1:-1].rstrip(",")
    if x.dtype.kind not in "biuf":
        raise DataError(f"{what} of type {x.dtype} are no real numbers")
    if not len(x.shape) or not len(x) or x.shape[1:] != dataset.shape:
        raise DataError(f"{what} of shape {x.shape} do not fit: (n, {inner}), n > 0")
    return x
