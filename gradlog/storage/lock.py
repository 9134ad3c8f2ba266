"""A folder that one process at a time writes."""

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

from gradlog.storage.workdir import WorkdirError

LOCK = ".lock"
# What a file system says that knows no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class WorkdirLock:
    """Holds a folder against other processes, for the length of a ``with``.

    The system takes the lock back when its process ends, however that ends: there are no stale
    ones. The file stays, and is empty where no one holds it or did until it was killed.

    Attributes:
      folder: what is held; it is made.
      tell: receives the note that this file system knows no locks.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None] = print):
        self.folder = folder
        self.tell = tell
        self._file: IO[str] | None = None

    def __enter__(self) -> "WorkdirLock":
        """Takes the lock.

        Raises:
          WorkdirError: another process holds it, or the folder cannot be written.
        """
        file = self._open()
        try:
            self._take(file)
            _write(file, _holder())
        except BaseException:
            file.close()
            raise
        self._file = file
        return self

    def __exit__(self, *_: object) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                _write(file, "")
            file.close()

    def _open(self) -> IO[str]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return (self.folder / LOCK).open("a+")
        except OSError as error:
            raise WorkdirError(f"cannot write to {self.folder}: {error.strerror}") from error

    def _take(self, file: IO[str]) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkdirError(f"{self.folder} is in use by {_read(file)}") from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise WorkdirError(f"cannot lock {self.folder}: {error.strerror}") from error
            self.tell(
                f"note: the file system of {self.folder} knows no locks; that no other process "
                "writes there is yours to see to"
            )


def _holder() -> str:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since})


def _write(file: IO[str], text: str) -> None:
    file.truncate(0)
    file.write(text)
    file.flush()


def _read(file: IO[str]) -> str:
    advice = "wait for it or end it, or choose another --workdir"
    try:
        file.seek(0)
        holder = json.loads(file.read())
        return "process {pid} on {host} since {since}; ".format(**holder) + advice
    except (OSError, ValueError, LookupError, TypeError):  # it is just being written
        return f"another process; {advice}"
