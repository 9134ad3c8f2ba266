"""One thing at a time, done beside the program."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Background:
    """A thread for one job at a time; there is none before the first."""

    def __init__(self):
        self._thread: ThreadPoolExecutor | None = None
        self._pending: Future[None] | None = None

    def start(self, job: Callable[[], None]) -> None:
        """Starts a job when the one before is done.

        Raises:
          Exception: what that one raised.
        """
        self.finish()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1)
        self._pending = self._thread.submit(job)

    def finish(self) -> None:
        """Waits for the job.

        Raises:
          Exception: what it raised; once.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Waits as ``finish`` does, and ends the thread."""
        try:
            self.finish()
        finally:
            if self._thread is not None:
                self._thread.shutdown()
            self._thread = None
