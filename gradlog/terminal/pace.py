"""How fast work goes, and how long the rest of it will take."""

import time
from collections import deque

_BURST_SECONDS = 1.0  # what is found finished at the start comes at once: it tells no rate
_ENOUGH_SECONDS = 3.0  # of work before what is left of it is told
_KEPT = 30  # updates that the rate is measured over, a second or more apart


class Pace:
    """The rate of work, from what is told of its progress.

    Its first update is where the measurement begins: what came before it is compilation, or work
    that another process had done.
    """

    def __init__(self) -> None:
        self._told: deque[tuple[float, int]] = deque(maxlen=_KEPT)
        self._began, self._newest = 0.0, (0.0, 0)

    @staticmethod
    def now() -> float:
        """Seconds of a clock that never goes back."""
        return time.monotonic()

    def tell(self, done: int) -> float:
        """Notes how much is done, and gives the time at which it was told."""
        now = self.now()
        self._newest = (now, done)
        if not self._told:
            self._began = now
        if now - self._began < _BURST_SECONDS:
            self._told.clear()
        if not self._told or now - self._told[-1][0] >= _BURST_SECONDS:
            self._told.append(self._newest)
        return now

    @property
    def rate(self) -> float | None:
        """Of the last updates, per second; None where it is not known yet."""
        if not self._told:
            return None
        (then, before), (now, done) = self._told[0], self._newest
        return (done - before) / (now - then) if done > before and now > then else None

    def left(self, total: int) -> str:
        """The time that the rest will take, in words; '' where it is not known well enough."""
        now, done = self._newest
        if self.rate is None or now - self._told[0][0] < _ENOUGH_SECONDS:
            return ""
        return f"{in_words((total - done) / self.rate)} left"


def in_words(seconds: float) -> str:
    """'69 s', '12 min', '3.4 h', '2.5 days'."""
    for unit, length, most, digits in (("s", 1, 120, 0), ("min", 60, 120, 0), ("h", 3600, 48, 1)):
        if seconds < most * length:
            return f"{seconds / length:.{digits}f} {unit}"
    return f"{seconds / 86400:.1f} days"
