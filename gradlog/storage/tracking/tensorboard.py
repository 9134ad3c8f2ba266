"""The metrics of a run as TensorBoard's event files."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

from gradlog.storage.tracking.base import Tracked


class TensorBoard:
    """Writes event files; where that fails it says so once and is silent from then on.

    tensorboardX's own writer has a thread, which dies of a full disk while the next metrics wait
    for it for ever: this has none.
    """

    def __init__(self, tracked: Tracked):
        self._folder = tracked.folder / "tensorboard"
        self._tell = tracked.tell
        self._events: Any = None
        with self._given_up_on_failure():
            self._open(tracked.step)

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Adds a point to each curve."""
        if self._events is None:
            return
        from tensorboardX.summary import scalar

        with self._given_up_on_failure():
            for name, value in metrics.items():
                self._add(step, summary=scalar(name, value))
            self._events.flush()

    def close(self) -> None:
        """Closes the file."""
        events, self._events = self._events, None
        if events is not None:
            with contextlib.suppress(OSError):
                events.close()

    def _open(self, step: int) -> None:
        """A new file; what others have of later steps is hidden."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog  # pyright: ignore

        self._folder.mkdir(parents=True, exist_ok=True)
        self._events = EventsWriter(str(self._folder / "events"))
        self._add(step + 1, session_log=SessionLog(status=SessionLog.START))

    def _add(self, step: int, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event  # pyright: ignore

        self._events.write_event(Event(wall_time=time.time(), step=step, **content))

    @contextlib.contextmanager
    def _given_up_on_failure(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._tell(f"note: no more is written to {self._folder}: {error.strerror}")
            self.close()
