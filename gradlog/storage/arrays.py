"""Arrays from the user's own files."""

from collections.abc import Sequence

import numpy as np

from gradlog.data import DataError, open_arrays


class ArrayFileError(DataError):
    """A file without the array that it should hold: one line that says why."""


def read_array(path: str, names: Sequence[str] = ()) -> np.ndarray:
    """The numbers of an .npy or .npz file, told apart by what they hold and not by their names.

    Of an .npz file the first of ``names`` that it has is taken, or its only array.

    Raises:
      ArrayFileError: there is no such file, it cannot be read, or holds no numbers.
    """
    try:
        with open_arrays(path) as arrays:
            found = arrays[_name(path, list(arrays), names)]
    except DataError as error:
        raise ArrayFileError(str(error)) from error
    if found.dtype.kind not in "uibf":
        raise ArrayFileError(f"{path} holds {found.dtype}, not numbers")
    return found


def _name(path: str, there: list[str], names: Sequence[str]) -> str:
    for name in (*names, *(there if len(there) == 1 else ())):
        if name in there:
            return name
    wanted = f"name one of them {tuple(names)}" if names else "one is expected"
    raise ArrayFileError(f"{path} holds the arrays {sorted(there)}; {wanted}")
