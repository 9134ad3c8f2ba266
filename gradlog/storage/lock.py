"""A lock on a folder, so that one process at a time writes there."""

import contextlib
import errno
import fcntl
import json
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from gradlog.storage.errors import WorkdirError

LOCK = ".lock"
# The error numbers of a file system that has no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class WorkdirLock:
    """Locks a folder against other processes, for the length of a ``with`` block.

    The system releases the lock when its process ends in any way, so no lock is ever stale. The
    file ``.lock`` stays. It is empty if nobody holds the lock, unless the last holder was killed.

    Attributes:
      folder: the folder; it is made.
      tell: receives a note if this file system has no locks.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None] = print):
        self.folder = folder
        self.tell = tell
        self._file: IO[str] | None = None

    def __enter__(self) -> "WorkdirLock":
        """Take the lock.

        Raises:
          WorkdirError: another process holds it, or the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / LOCK).open("a+")
        except OSError as error:
            raise WorkdirError(f"cannot write to {self.folder}: {error.strerror}") from error
        try:
            self._lock(file)
            since = datetime.now(UTC).isoformat(timespec="seconds")
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
            _replace_text(file, json.dumps(holder))
        except BaseException:
            file.close()
            raise
        self._file = file
        return self

    def __exit__(self, *_: object) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                _replace_text(file, "")
            file.close()

    def _lock(self, file: IO[str]) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkdirError(
                f"{self.folder} is in use by {_describe_holder(file)}; wait for it or end it, or "
                "choose another --workdir"
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise WorkdirError(f"cannot lock {self.folder}: {error.strerror}") from error
            self.tell(
                f"note: the file system of {self.folder} has no locks; make sure yourself that no "
                "other process writes there"
            )


def _replace_text(file: IO[str], text: str) -> None:
    file.truncate(0)
    file.write(text)
    file.flush()


def _describe_holder(file: IO[str]) -> str:
    try:
        file.seek(0)
        return "process {pid} on {host} since {since}".format(**json.loads(file.read()))
    except (OSError, ValueError, LookupError, TypeError):  # its holder is writing it just now
        return "another process"
