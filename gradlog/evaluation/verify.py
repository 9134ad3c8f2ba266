"""Checks that everything in a workdir is as it was written, from its files alone."""

import json
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict
from PIL import Image

from gradlog.aliases import modern_settings
from gradlog.data.text import number_texts
from gradlog.evaluation.batch_cache import PARTIAL
from gradlog.evaluation.bits_per_dim import PER_IMAGE, SETTINGS
from gradlog.evaluation.load_exported import read_parts
from gradlog.storage import (
    LOGGED,
    CheckpointError,
    Checkpoints,
    DamagedError,
    MissingError,
    Workdir,
    digest_lines,
    is_damage,
    read_sealed,
    scan_metrics,
)
from gradlog.storage.checkpoints import ASIDE, is_step_folder
from gradlog.storage.errors import describe_error
from gradlog.storage.files import is_leftover, read_bytes
from gradlog.storage.lock import LOCK
from gradlog.storage.workdir import PROVENANCE

SOUND, DAMAGED, UNFINISHED, UNREADABLE = "sound", "damaged", "unfinished", "unreadable"
_CLASSIFIER = "classifier"
_TRACKED = ("tensorboard", "wandb")  # trackers write copies of the metrics
_ATTEMPTS = 3  # at a file that is written anew meanwhile
State = tuple[str, str]  # one of the states above, and a few words
FINE: State = (SOUND, "")


@dataclass(frozen=True)
class Finding:
    """The state of one thing in a workdir.

    Attributes:
      what: kind of thing.
      path: where it is, from the workdir.
      state: 'sound'; 'damaged'; 'unreadable', so that nothing is known about it; or 'unfinished',
        which is no fault: an interrupted run left it, or it was damaged and has been moved away.
      detail: what is wrong, or what there is.
    """

    what: str
    path: str
    state: str
    detail: str = ""


def verify_workdir(
    root: Path, check_config: Callable[[Path], object] | None = None
) -> list[Finding]:
    """Return the state of everything in a workdir; nothing is raised, whatever its bytes.

    A training may go on beside it.

    Args:
      root: the folder.
      check_config: raises an error if a ``config.json`` is no configuration; by default any JSON
        object is one.
    """
    workdir = Workdir(root)
    if not root.is_dir():
        return [Finding("workdir", ".", DAMAGED, "there is no such folder")]
    inner = root / _CLASSIFIER
    of_classifier: list[Finding] = []
    if inner.is_dir():
        of_classifier = [
            replace(found, path=Path(_CLASSIFIER, found.path).as_posix())
            for found in verify_workdir(inner, check_config)
        ]
        if all(path == inner or path.name == LOCK for path in root.iterdir()):
            return of_classifier
    if not any(path.exists() for path in (workdir.config, workdir.provenance, workdir.checkpoints)):
        return [Finding("workdir", ".", DAMAGED, "it has no config.json: this is no workdir")]
    # Checkpoints come first, each read once: the metrics are then at least as long as when the
    # checkpoints were written.
    check_config = check_config or _read_object
    checkpoints = _Checkpoints(workdir)
    own = (workdir.config, workdir.provenance, workdir.metrics, workdir.checkpoints)
    elsewhere = (*(path.name for path in own), LOCK, *_TRACKED, _CLASSIFIER)
    return [
        *_check_head(workdir, checkpoints, check_config),
        *_check_metrics(workdir, checkpoints),
        *checkpoints.findings(),
        *_check_results(root, elsewhere),
        *of_classifier,
    ]


class _Checkpoints:
    """The checkpoints of a workdir: the state of each, and the notes of sound ones."""

    def __init__(self, workdir: Workdir):
        self.folder = workdir.checkpoints
        self.states: dict[int, State] = {}
        self.notes: dict[int, dict[str, Any]] = {}
        stored = Checkpoints(workdir.checkpoints, run=workdir.run)
        self.listing = state_of(lambda folder: stored.steps(), workdir.checkpoints)
        for step in stored.steps() if self.listing == FINE else ():
            try:
                found = stored.verify(step)
                if not found:
                    self.notes[step] = stored.notes(step)
                self.states[step] = (DAMAGED, "; ".join(found[:3])) if found else FINE
            except MissingError:  # it was deleted meanwhile
                continue
            except CheckpointError as error:
                state = DAMAGED if isinstance(error, DamagedError) else UNREADABLE
                self.states[step] = state, str(error)

    def findings(self) -> Iterator[Finding]:
        folder = self.folder
        if self.listing != FINE:
            yield Finding("checkpoint", folder.name, *self.listing)
            return
        for step, state in self.states.items():
            yield Finding("checkpoint", f"{folder.name}/{step}", *state)
        known = {str(step) for step in self.states}
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            name = f"{folder.name}/{path.name}"
            if path.name in known or is_step_folder(path):  # else it was written meanwhile
                continue
            if is_leftover(path):
                yield Finding("leftover", name, UNFINISHED, "the next training removes it")
            elif path.name == ASIDE and path.is_dir():
                for each in sorted(path.iterdir()):
                    detail = "set aside as damaged; delete it when you do not need it"
                    yield Finding("checkpoint", f"{name}/{each.name}", UNFINISHED, detail)
            elif os.path.lexists(path):
                yield Finding("checkpoint", name, DAMAGED, "its name is no step")


def _check_head(
    workdir: Workdir, checkpoints: _Checkpoints, check_config: Callable[[Path], object]
) -> Iterator[Finding]:
    """Yield the state of the files that say what the run is."""

    def check_provenance(path: Path) -> None:
        found = _read_object(path)
        for name, kind in PROVENANCE.items():
            if not isinstance(found.get(name), kind):
                raise ValueError(f"it has no {name}")

    def check_identity(root: Path) -> None:
        identity = modern_settings(_read_object(root / "provenance.json")["identity"])
        config = modern_settings(flatten_dict(_read_object(root / "config.json"), sep="."))
        for key in sorted(identity.keys() & config.keys()):
            if identity[key] != config[key]:
                raise ValueError(
                    f"{key} is {config[key]!r} there, and {identity[key]!r} in provenance.json"
                )

    def check_file(path: Path) -> None:
        read_bytes(path)  # a missing file is named as such, and a pipe is not waited for
        check_config(path)

    config, provenance = workdir.config, workdir.provenance
    if provenance.exists() and not config.exists() and not checkpoints.states:
        yield Finding("configuration", config.name, UNFINISHED, "the run ended as it began")
        return
    state, detail = state_of(check_provenance, provenance)
    yield Finding("provenance", provenance.name, state, detail or workdir.run)
    of_config = state_of(check_file, config)
    if state == SOUND and of_config == FINE:
        of_config = state_of(check_identity, workdir.root)
    yield Finding("configuration", config.name, *of_config)


def _check_metrics(workdir: Workdir, checkpoints: _Checkpoints) -> Iterator[Finding]:
    # A checkpoint with pending metrics has no line of its own step yet; an imported one has none.
    imported = (workdir.root / "imported.json").exists()
    logged = [
        step for step, notes in checkpoints.notes.items() if not (imported or notes.get("pending"))
    ]

    def check(path: Path) -> None:
        path.stat()  # a missing file is named as such
        records, complaints = scan_metrics(path)
        steps = {record["step"] for record in records}
        complaints += [
            f"it has no line of step {step}, which has a checkpoint"
            for step in logged
            if step not in steps
        ]
        for step, notes in checkpoints.notes.items():
            before = [record for record in records if record["step"] <= step]
            if (digest := notes.get(LOGGED)) and digest_lines(before) != digest:
                complaints.append(f"its lines to step {step} are not those of the checkpoint")
        if complaints:
            raise ValueError("; ".join(complaints[:3]))

    path = workdir.metrics
    if not path.exists() and not logged:
        return
    state = state_of(check, path)
    if state != FINE:
        yield Finding("metrics", path.name, *state)
        return
    steps = [record["step"] for record in scan_metrics(path)[0]]
    last = max(steps, default=0)
    yield Finding("metrics", path.name, SOUND, f"{len(steps)} lines to step {last}")
    newest = max(checkpoints.states, default=0)
    contents = path.read_bytes()
    if last > newest or (contents and not contents.endswith(b"\n")):
        detail = f"there are lines after the newest checkpoint, of step {newest}"
        yield Finding("metrics", path.name, UNFINISHED, detail)


def _check_results(root: Path, elsewhere: tuple[str, ...]) -> Iterator[Finding]:
    """Yield the state of each folder of results, without these names in the root."""
    unread: list[OSError] = []
    for where, folders, names in os.walk(root, onerror=unread.append):
        folder = Path(where)
        others = elsewhere if folder == root else ()
        folders[:] = sorted(name for name in folders if name not in (PARTIAL, *others))
        names = sorted(name for name in names if name not in others)
        place = folder.relative_to(root).as_posix()
        shown = [name for name in names if not name.startswith(".")]
        if (folder / PARTIAL).is_dir():
            detail = "finished batches of a result; the same command resumes from them"
            yield Finding("result", f"{place}/{PARTIAL}", UNFINISHED, detail)
        elif shown == [SETTINGS]:
            yield Finding("result", place, UNFINISHED, "begun, without a finished batch")
        for name in names:
            if name not in (*shown, LOCK):
                detail = "a file that was not written to its end; you may delete it"
                yield Finding("leftover", f"{place}/{name}", UNFINISHED, detail)
        for path in (folder / name for name in (*folders, *shown)):
            if path.is_symlink():
                detail = "it is a link, and what it points to is not checked"
                yield Finding("result", path.relative_to(root).as_posix(), DAMAGED, detail)
        yield from _check_files(root, [folder / name for name in shown])
    for error in unread:
        place = Path(error.filename).relative_to(root).as_posix()
        yield Finding("result", place, UNREADABLE, os.strerror(error.errno or 0))


def _check_files(root: Path, paths: list[Path]) -> Iterator[Finding]:
    """Yield each damaged file, or one finding for all files of the folder."""
    readers = {path: READERS.get(path.name) or READERS.get(path.suffix) for path in paths}
    states = {
        path: state_of(reader, path)
        for path, reader in readers.items()
        if reader and not path.is_symlink()
    }
    known = [path for path in states if path.exists()]  # not those that were deleted meanwhile
    faulty = [path for path in known if states[path] != FINE]
    for path in faulty:
        yield Finding("result", path.relative_to(root).as_posix(), *states[path])
    if known and not faulty:
        names = ", ".join(path.name for path in known[:4])
        more = f" and {len(known) - 4} more" if len(known) > 4 else ""
        place = known[0].parent.relative_to(root).as_posix()
        yield Finding("result", place, SOUND, names + more)


def _read_object(path: Path) -> dict[str, Any]:
    found = json.loads(read_bytes(path))
    if not isinstance(found, dict):
        raise ValueError("it holds no JSON object")
    return found


def _read_json(path: Path) -> None:
    json.loads(read_bytes(path))
    folder, name = path.parent, path.name
    if name in ("bits_per_dim.json", "accuracy.json") and folder.name != _CLASSIFIER:
        read_sealed(path, (PER_IMAGE, SETTINGS))
    elif name == "quality.json":
        read_sealed(path, (SETTINGS,))
    elif (
        name in ("accuracy.json", "differences.json")
        or name.startswith("over_training")
        or folder.name == "compare"
    ):
        read_sealed(path)


def _read_archive(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if bad := archive.testzip():
            raise ValueError(f"{bad} in it is not as it was written")
    with np.load(path, allow_pickle=False) as arrays:
        for name in arrays.files:
            arrays[name]


def _read_picture(path: Path) -> None:
    with Image.open(path, formats=("PNG", "GIF")) as picture:
        picture.verify()


def _read_texts(path: Path) -> None:
    with np.load(path.with_name("samples.npz")) as arrays:
        alphabet = str(arrays["alphabet"]) if "alphabet" in arrays else None
        texts = number_texts(arrays["samples"], alphabet)
    if read_bytes(path).decode() != texts:
        raise ValueError("it does not have the samples of samples.npz")


# By name or suffix; other files are not checked.
READERS: dict[str, Callable[[Path], object]] = {
    ".json": _read_json,
    ".npz": _read_archive,
    ".zip": read_parts,
    ".png": _read_picture,
    ".gif": _read_picture,
    "samples.txt": _read_texts,
}


def state_of(check: Callable[[Path], object], path: Path) -> State:
    """Return whether a check of a file or folder fails, and why, in one line.

    A file that is written anew meanwhile is checked again.
    """
    state = FINE
    for _ in range(_ATTEMPTS):
        before = _stamp(path)
        try:
            if path.exists() and not (path.is_file() or path.is_dir()):
                raise ValueError("it is no regular file")
            check(path)
            return FINE
        except FileNotFoundError as error:
            state = DAMAGED, f"{Path(error.filename or path).name} is missing"
        except Exception as error:  # whatever a reader raises on other bytes
            cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
            in_trouble = isinstance(cause, OSError) and not is_damage(cause)
            detail = describe_error(cause if in_trouble else error)
            state = UNREADABLE if in_trouble else DAMAGED, detail
        if _stamp(path) == before:
            break
    return state


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
