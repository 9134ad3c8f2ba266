"""What is found of the results in a workdir, folder by folder."""

import os
from collections.abc import Iterator
from pathlib import Path

from gradlog.run.verification.finding import DAMAGED, SOUND, UNFINISHED, Finding, complaint_of
from gradlog.run.verification.readable import READERS
from gradlog.storage.lock import LOCK

_PARTIAL, _SETTINGS = "partial", ["settings.json"]


def verify_results(root: Path, elsewhere: tuple[str, ...]) -> Iterator[Finding]:
    """Of each folder but those ``elsewhere``; files of that name in the root are left out too."""
    for where, folders, names in os.walk(root):
        folder = Path(where)
        own = () if folder != root else elsewhere
        folders[:] = sorted(name for name in folders if name not in (_PARTIAL, *own))
        yield from _folder(root, folder, sorted(name for name in names if name not in own))


def _folder(root: Path, folder: Path, names: list[str]) -> Iterator[Finding]:
    place = folder.relative_to(root).as_posix()
    shown = [name for name in names if not name.startswith(".")]
    if (folder / _PARTIAL).is_dir():
        detail = "finished batches of a result; the same command goes on from them"
        yield Finding("result", f"{place}/{_PARTIAL}", UNFINISHED, detail)
    elif shown == _SETTINGS:
        yield Finding("result", place, UNFINISHED, "begun, without a finished batch")
    for name in names:
        if name not in (*shown, LOCK):
            detail = "a file that was not written to its end: it may be deleted"
            yield Finding("leftover", f"{place}/{name}", UNFINISHED, detail)
    yield from _files(root, [folder / name for name in shown])


def _files(root: Path, paths: list[Path]) -> Iterator[Finding]:
    """A finding for each that is damaged, or one for all in the folder."""
    known = [path for path in paths if path.suffix in READERS and path.is_file()]
    complaints = {path: complaint_of(READERS[path.suffix], path) for path in known}
    known = [path for path in known if path.is_file()]  # not those deleted meanwhile
    for path in known:
        if complaint := complaints[path]:
            yield Finding("result", path.relative_to(root).as_posix(), DAMAGED, complaint)
    if known and not any(complaints[path] for path in known):
        names = ", ".join(path.name for path in known[:4])
        more = f" and {len(known) - 4} more" if len(known) > 4 else ""
        place = known[0].parent.relative_to(root).as_posix()
        yield Finding("result", place, SOUND, names + more)
