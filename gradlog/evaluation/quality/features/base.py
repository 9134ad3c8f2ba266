"""The contract of features of data, and the features without a network of their own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float, Num

from gradlog.data import Source
from gradlog.evaluation.devices import Progress


def no_progress(done: int) -> None:
    """Show nothing."""


class Features(Protocol):
    """Features of data in their own units."""

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that they depend on, except the data."""
        ...

    @property
    def costly(self) -> bool:
        """Return whether they are kept in a file."""
        ...

    def __call__(
        self, source: Source, progress: Progress = no_progress, /
    ) -> Float[np.ndarray, "n k"]:
        """Return a row for every example."""
        ...


@dataclass(frozen=True)
class Pixels:
    """The numbers of the data themselves: points of the plane, or small images."""

    settings: dict[str, Any] = field(default_factory=dict)
    costly: bool = False

    def __call__(
        self, source: Source, progress: Progress = no_progress
    ) -> Float[np.ndarray, "n k"]:
        del progress
        x = source[np.arange(len(source))]
        return np.asarray(x, np.float64).reshape(len(x), -1)


@dataclass(frozen=True)
class Learned:
    """The features of a classifier that was trained on the data."""

    features: Callable[[Num[np.ndarray, "n *D"]], Float[np.ndarray, "n k"]]
    settings: dict[str, Any]
    costly: bool = True

    def __call__(
        self, source: Source, progress: Progress = no_progress
    ) -> Float[np.ndarray, "n k"]:
        del progress
        return self.features(source[np.arange(len(source))])
