"""A data set that is loaded when its examples are first asked for."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, cast

from gradlog.data.dataset import DataError, Dataset

_KNOWN = ("name", "shape", "levels", "fingerprint")


class _Late:
    """Has what is known of a data set; the rest it asks of the whole one."""

    def __init__(self, known: Dataset, load: Callable[[], Dataset]):
        for name in _KNOWN:
            setattr(self, name, getattr(known, name))
        self._load = load

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # copying and pickling ask for such
            raise AttributeError(name)
        return getattr(self._whole, name)

    @cached_property
    def _whole(self) -> Dataset:
        found, expected = self._load(), cast(Dataset, self)
        if (found.fingerprint, found.shape) != (expected.fingerprint, expected.shape):
            raise DataError(
                f"the data {found.name} are others than those of the run: their fingerprint is "
                f"{found.fingerprint}, that of the run's data {expected.fingerprint}"
            )
        return found


def late(known: Dataset, load: Callable[[], Dataset]) -> Dataset:
    """A data set whose examples, classes and law are loaded at their first use.

    Args:
      known: has its name, shape, levels and fingerprint.
      load: gives the whole. Its first use raises DataError where that is another data set.
    """
    return cast(Dataset, _Late(known, load))
