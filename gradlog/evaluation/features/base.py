"""What maps data to features."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float

from gradlog.data import Source

Progress = Callable[[int, str], None]  # examples done, and what to say of them


def no_progress(done: int, said: str) -> None:
    """Tells nobody."""


class Features(Protocol):
    """Features of data in their own units."""

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides them, but the data."""
        ...

    @property
    def costly(self) -> bool:
        """Whether they are worth keeping."""
        ...

    def __call__(
        self, source: Source, progress: Progress = no_progress, /
    ) -> Float[np.ndarray, "n k"]:
        """A row for every example."""
        ...
