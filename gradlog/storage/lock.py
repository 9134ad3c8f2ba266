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

from gradlog.storage.errors import WorkdirError
from gradlog.storage.files import check_plain

LOCK = ".lock"
# The error numbers of a file system that has no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_BYTES = 4096  # more than the description of a holder
_BEGINNING = b'{"pid": '  # of the description


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
        self._handle: int | None = None

    def __enter__(self) -> "WorkdirLock":
        """Take the lock.

        Raises:
          WorkdirError: another process holds it, the folder cannot be written, or ``.lock`` is a
            file of something else, which is left alone.
        """
        path = self.folder / LOCK
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            check_plain(path)
            handle = os.open(path, _FLAGS, 0o666)
        except OSError as error:
            raise WorkdirError(f"cannot write to {self.folder}: {error.strerror}") from error
        try:
            self._lock(handle)
            found = os.pread(handle, _MOST_BYTES, 0)
            if found and not found.startswith(_BEGINNING):
                raise WorkdirError(f"{path} holds something else than a lock; move it away")
            since = datetime.now(UTC).isoformat(timespec="seconds")
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
            try:
                _replace(handle, json.dumps(holder).encode())
            except OSError as error:  # a full disk
                raise WorkdirError(f"cannot write to {path}: {error.strerror}") from error
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Release the lock.

        Raises:
          WorkdirError: the block ended well, and the folder is no longer the one that was locked.
        """
        handle, self._handle = self._handle, None
        if handle is None:
            return
        try:
            lost = kind is None and not self._is_there(handle)
            with contextlib.suppress(OSError):
                _replace(handle, b"")
        finally:
            os.close(handle)
        if lost:
            raise WorkdirError(
                f"{self.folder}, or the file {LOCK} in it, was moved, deleted or unmounted while "
                "it was in use; what was written before is where that folder is now, and the rest "
                "is here"
            )

    def _is_there(self, handle: int) -> bool:
        """Return whether the folder still has the file of the lock."""
        try:
            return os.path.samestat(os.fstat(handle), os.lstat(self.folder / LOCK))
        except OSError:
            return False

    def _lock(self, handle: int) -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkdirError(
                f"{self.folder} is in use by {_describe_holder(handle)}; wait for it or end it, or "
                "choose another --workdir"
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise WorkdirError(f"cannot lock {self.folder}: {error.strerror}") from error
            self.tell(
                f"note: the file system of {self.folder} has no locks; make sure yourself that no "
                "other process writes there"
            )


def _replace(handle: int, text: bytes) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, text, 0)


def _describe_holder(handle: int) -> str:
    try:
        holder = json.loads(os.pread(handle, _MOST_BYTES, 0))
        return "process {pid} on {host} since {since}".format(**holder)
    except (OSError, ValueError, LookupError, TypeError):  # its holder is writing it just now
        return "another process"
