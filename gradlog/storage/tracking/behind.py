"""A tracker that talks to a server, kept out of the way of training."""

import queue
import threading
from collections.abc import Callable, Mapping

from gradlog.storage.tracking.base import Tracker

_WAITING = 10_000  # points that a slow server may be behind
_CLOSING_SECONDS = 20.0  # a scheduler that stops a run gives it little longer

Act = Callable[[Tracker], None]


class Behind:
    """Another tracker in a thread of its own: training never waits for it.

    Where that fails, or is too far behind, it says so once and no more is written.
    """

    def __init__(
        self,
        name: str,
        start: Callable[[], Tracker],
        tell: Callable[[str], None],
        closing_seconds: float = _CLOSING_SECONDS,
    ):
        self._name, self._start, self._tell = name, start, tell
        self._closing_seconds = closing_seconds
        self._acts: queue.Queue[Act | None] = queue.Queue(_WAITING)
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Leaves the points to the thread."""
        self._put(lambda tracker: tracker.write(step, metrics))

    def close(self) -> None:
        """Waits until all is written, but not for long."""
        self._put(None)
        self._thread.join(self._closing_seconds)
        if self._thread.is_alive():
            self._give_up(f"it is not done after {self._closing_seconds:g} s")

    def _put(self, act: Act | None) -> None:
        if self._given_up.is_set():
            return
        try:
            self._acts.put_nowait(act)
        except queue.Full:
            self._give_up(f"it is {_WAITING} points behind")

    def _work(self) -> None:
        try:
            tracker = self._start()
            while not self._given_up.is_set() and (act := self._acts.get()) is not None:
                act(tracker)
            tracker.close()
        except Exception as error:  # whatever another's client raises
            self._give_up(" ".join(str(error).split()) or type(error).__name__)

    def _give_up(self, reason: str) -> None:
        if not self._given_up.is_set():
            self._given_up.set()
            self._tell(f"note: no more is written to {self._name}: {reason}")
