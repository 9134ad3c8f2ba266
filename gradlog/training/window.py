"""The metrics of the steps since the last line of the log."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

# A step with its metrics as JSON has them: None for a number that is not finite.
Pending = Sequence[tuple[int, dict[str, float | None]]]


@dataclass(frozen=True)
class Bad:
    """A metric that is not finite."""

    step: int
    metric: str
    value: float

    def __str__(self) -> str:
        return f"step {self.step}: {self.metric} is {self.value}"


class Window:
    """Metrics by step, which may be on devices until they are asked for.

    Args:
      pending: of steps that were done before a checkpoint cut their window; their numbers come back
        bit for bit, so that the line is the one that would have been.
    """

    def __init__(self, pending: Pending = ()):
        self._steps: list[tuple[int, dict[str, Any]]] = [
            (step, {name: _number(value) for name, value in metrics.items()})
            for step, metrics in pending
        ]

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, step: int, metrics: dict[str, Any]) -> None:
        """Adds the metrics of a step."""
        self._steps.append((step, metrics))

    def clear(self) -> None:
        """Forgets all steps: their line is written."""
        self._steps = []

    def bad(self) -> list[Bad]:
        """The first metric that is not finite of each step that has one."""
        found = (next(not_finite(step, metrics), None) for step, metrics in self._fetched())
        return [bad for bad in found if bad is not None]

    def averages(self) -> dict[str, float]:
        """Means over the steps that were finite, and the number of those ``skipped``, if any."""
        bad = {bad.step for bad in self.bad()}
        good = [metrics for step, metrics in self._fetched() if step not in bad]
        names = good[0] if good else {}
        means = {name: float(np.mean([metrics[name] for metrics in good])) for name in names}
        return means | ({"skipped": len(bad)} if bad else {})

    def until(self, step: int) -> Pending:
        """The steps up to one, in numbers that JSON keeps exactly."""
        return [
            (each, {name: _exact(value) for name, value in metrics.items()})
            for each, metrics in self._fetched()
            if each <= step
        ]

    def _fetched(self) -> list[tuple[int, dict[str, Any]]]:
        self._steps = jax.device_get(self._steps)
        return self._steps


def not_finite(step: int, metrics: dict[str, Any]) -> Iterator[Bad]:
    """The metrics of a step that are not finite."""
    pairs = ((name, float(value)) for name, value in metrics.items())
    return (Bad(step, name, value) for name, value in pairs if not np.isfinite(value))


def _number(value: float | None) -> np.float32:
    return np.float32(np.nan if value is None else value)


def _exact(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
