"""Which checkpoints are kept."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Retention:
    """What is kept of the checkpoints of a run.

    Attributes:
      last: the newest ones; 0 keeps all.
      every: those of each whole multiple of this step; 0 for none.
      best: those of the lowest ``held_out_loss`` in their notes.
    """

    last: int
    every: int = 0
    best: int = 0

    def kept(self, notes: Mapping[int, Mapping[str, Any]]) -> set[int]:
        """The steps to be kept, of checkpoints with these notes by step."""
        if not self.last:
            return set(notes)
        multiples = {step for step in notes if self.every and step % self.every == 0}
        return {*sorted(notes)[-self.last :], *multiples, *self._best(notes)}

    def _best(self, notes: Mapping[int, Mapping[str, Any]]) -> list[int]:
        losses = {step: note.get("held_out_loss") for step, note in notes.items()}
        known = {step: loss for step, loss in losses.items() if _is_number(loss)}
        return sorted(known, key=lambda step: (known[step], step))[: self.best]


KEEP_ALL = Retention(0)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
