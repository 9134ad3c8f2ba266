"""Folders that one process at a time writes to."""

import contextlib
from pathlib import Path

from gradlog import terminal
from gradlog.distributed import writes
from gradlog.storage import WorkdirLock


def held(folder: Path) -> contextlib.AbstractContextManager[object]:
    """Holds a folder against other runs, for the length of a ``with``.

    Raises:
      WorkdirError: another process holds it, which it names, or it cannot be written.
    """
    # The host that writes holds it for all of them.
    return WorkdirLock(folder, terminal.say) if writes() else contextlib.nullcontext()
