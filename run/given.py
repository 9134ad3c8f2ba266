"""Samples from the user's own file."""

import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Num

from evaluation.quality import QualityError

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
    x = _array(path)
    if x.dtype.kind not in "uibf" or x.shape[1:] != shape:
        raise QualityError(f"{KEY}: {path} holds {x.dtype} {x.shape}; the data are (n, *{shape})")
    if levels is not None and len(x) and not (x.min() >= 0 and x.max() <= levels - 1):
        raise QualityError(
            f"{KEY}: {path} holds values from {x.min()} to {x.max()}; the data have levels from 0 "
            f"to {levels - 1}"
        )
    return x


def _array(path: str) -> np.ndarray:
    try:
        found = np.load(Path(path).expanduser(), allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        with found:
            return found[_name(path, found.files)]
    except FileNotFoundError:
        raise QualityError(f"{KEY}: there is no file {path}") from None
    except QualityError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise QualityError(f"{KEY}: {path} is no plain .npy or .npz file: {error}") from error


def _name(path: str, names: list[str]) -> str:
    for name in (*NAMES, *(names if len(names) == 1 else ())):
        if name in names:
            return name
    raise QualityError(f"{KEY}: {path} holds the arrays {sorted(names)}; name one of them {NAMES}")
