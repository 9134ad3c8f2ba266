"""The contract of a tracker."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Tracked:
    """What a tracker is told of a run when it is opened.

    Attributes:
      folder: the workdir.
      step: where training begins or goes on: further points have later steps.
      run: the run's own name, the same whenever it goes on; '' where it has none.
      config: its whole configuration.
      tell: receives notes for the terminal.
    """

    folder: Path
    step: int
    run: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    tell: Callable[[str], None] = print


class Tracker(Protocol):
    """Shows the metrics of one training."""

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Adds a point to each curve; one that an interrupted run has added is not doubled."""
        ...

    def close(self) -> None:
        """Ends, with all that was written on its way."""
        ...


class NoTracker:
    """Shows nothing."""

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        pass

    def close(self) -> None:
        pass
