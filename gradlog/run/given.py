"""Samples from the user's own file."""

import numpy as np
from jaxtyping import Num

from gradlog.evaluation.quality import QualityError
from gradlog.storage import ArrayFileError, read_array

KEY = "config.quality.samples"
NAMES = ("samples", "images", "x")


def read_samples(
    path: str, shape: tuple[int, ...], levels: int | None
) -> Num[np.ndarray, "n *shape"]:
    """Samples in the data's own units, of an .npy or .npz file.

    Of an .npz file the array 'samples', 'images' or 'x' is taken, or its only one.

    Raises:
      QualityError: the file cannot be read, or its array is not like the data.
    """
    try:
        x = read_array(path, NAMES)
    except ArrayFileError as error:
        raise QualityError(f"{KEY}: {error}") from error
    if not x.ndim or x.shape[1:] != shape:
        raise QualityError(f"{KEY}: {path} holds {x.dtype} {x.shape}; the data are (n, *{shape})")
    if levels is not None and len(x) and not (x.min() >= 0 and x.max() <= levels - 1):
        raise QualityError(
            f"{KEY}: {path} holds values from {x.min()} to {x.max()}; the data have levels from 0 "
            f"to {levels - 1}"
        )
    return x
