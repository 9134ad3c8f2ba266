"""Features that need no network of their own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Num

from gradlog.data import Source
from gradlog.evaluation.features.base import Progress, no_progress


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
    """What a classifier trained on the data makes of them."""

    features: Callable[[Num[np.ndarray, "n *D"]], Float[np.ndarray, "n k"]]
    settings: dict[str, Any]
    costly: bool = True

    def __call__(
        self, source: Source, progress: Progress = no_progress
    ) -> Float[np.ndarray, "n k"]:
        del progress
        return self.features(source[np.arange(len(source))])
