"""Arrays from the user's own files."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# What NumPy raises on a damaged archive, or on one whose packing Python cannot undo.
_DAMAGED = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError)


class ArrayFileError(ValueError):
    """A file without the array that it should hold: one line that says why."""


def read_array(path: str, names: Sequence[str] = ()) -> np.ndarray:
    """The numbers of an .npy or .npz file, told apart by what they hold and not by their names.

    Of an .npz file the first of ``names`` that it has is taken, or its only array.

    Raises:
      ArrayFileError: there is no such file, it cannot be read, or holds no numbers.
    """
    try:
        found = np.load(Path(path).expanduser(), allow_pickle=False)
        if not isinstance(found, np.ndarray):
            with found:
                found = found[_name(path, found.files, names)]
    except FileNotFoundError:
        raise ArrayFileError(f"there is no file {path}") from None
    except ArrayFileError:
        raise
    except _DAMAGED as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ArrayFileError(f"{path} is no plain .npy or .npz file: {reason}") from error
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "uibf":
        raise ArrayFileError(f"{path} holds {getattr(found, 'dtype', 'bytes')}, not numbers")
    return found


def _name(path: str, there: list[str], names: Sequence[str]) -> str:
    for name in (*names, *(there if len(there) == 1 else ())):
        if name in there:
            return name
    wanted = f"name one of them {tuple(names)}" if names else "one is expected"
    raise ArrayFileError(f"{path} holds the arrays {sorted(there)}; {wanted}")
