"""Files that all hosts must see."""

import secrets
import time
from pathlib import Path

from gradlog.distributed.exchange import HostError, agreed, any_host, several, writes

_SEEN_SECONDS = 10.0


def there(path: Path) -> bool:
    """Whether host 0 has a file, on every host; all of them must ask.

    Raises:
      HostError: it has, and another host does not see it.
    """
    found = bool(agreed(path.exists()))
    if found:
        check_shared(path)
    return found


def check_shared(path: Path) -> None:
    """Finds that all hosts see what host 0 has written.

    Raises:
      HostError: some do not; on every host alike.
    """
    any_host(False)  # not before it is written
    if any_host(not _seen(path)):
        raise HostError(
            f"not every host sees {path}, which host 0 has: the workdir must be on a file system "
            "that all hosts share"
        )


def _seen(path: Path) -> bool:
    """Whether a file is there, or comes to be: a network's file system takes its time."""
    end = time.monotonic() + _SEEN_SECONDS
    while several() and not path.exists() and time.monotonic() < end:
        time.sleep(0.1)
    return path.exists()


def check_shared_folder(folder: Path) -> None:
    """Finds that a folder is one and the same on all hosts; made if it is not there.

    Raises:
      HostError: it is not; on every host alike.
    """
    if not several():
        return
    path = folder / f".seen-by-all-{agreed(secrets.randbits(30))}"
    if writes():
        folder.mkdir(parents=True, exist_ok=True)
        path.touch()
    try:
        check_shared(path)
    finally:
        path.unlink(missing_ok=True)
