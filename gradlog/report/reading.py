"""Reading what may be damaged: what cannot be read is told, and the rest is shown."""

import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import TypeVar

from gradlog.report.blocks import Block, Note

Read = TypeVar("Read")
Files = TypeVar("Files")
# What reading files that are damaged, or say something else than they should, can raise.
UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def attempt(read: Callable[[], Read], where: str = "") -> tuple[Read | None, list[Block]]:
    """What was read, or None with a note that says why not.

    Args:
      read: reads.
      where: what it reads, named in the note where the error does not.
    """
    try:
        return read(), []
    except UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, KeyError):
            reason = f"there is no {reason}"
        return None, [Note(f"{where}: {reason}" if where else reason)]


def guarded(write: Callable[[Files], list[Block]], files: Files) -> list[Block]:
    """The blocks of a section, or the note that its files cannot be read."""
    blocks, notes = attempt(lambda: write(files), "this part cannot be shown")
    return notes if blocks is None else blocks
