"""What is found of one thing in a workdir."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOUND, DAMAGED, UNFINISHED = "sound", "damaged", "unfinished"
_LOOKS = 3


@dataclass(frozen=True)
class Finding:
    """One thing in a workdir.

    Attributes:
      what: it is.
      path: where, from the workdir.
      state: 'sound'; 'damaged'; 'unfinished' for what an interrupted run left, or a damaged one
        moved out of the way, which is no fault.
      detail: what is wrong, or what there is.
    """

    what: str
    path: str
    state: str
    detail: str = ""

    @classmethod
    def of(cls, what: str, path: str, complaint: str, detail: str = "") -> "Finding":
        """A damaged one where there is a complaint, else a sound one."""
        return cls(what, path, DAMAGED if complaint else SOUND, complaint or detail)


def complaint_of(check: Callable[[Path], Any], path: Path) -> str:
    """Why a check of a file or folder fails, in one line; '' where it does not.

    What was written anew while it was looked at is looked at again.
    """
    complaint = ""
    for _ in range(_LOOKS):
        before = _stamp(path)
        complaint = _complaint(check, path)
        if not complaint or _stamp(path) == before:
            break
    return complaint


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _complaint(check: Callable[[Path], Any], path: Path) -> str:
    try:
        check(path)
    except FileNotFoundError as error:
        return f"{Path(error.filename or path).name} is missing"
    except Exception as error:  # whatever a reader raises on bytes that are something else
        return (str(error).strip() or type(error).__name__).splitlines()[0]
    return ""
