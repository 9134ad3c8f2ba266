"""Checkpoints of training states: saved beside the training, verified, restored, retained."""

import contextlib
import math
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gradlog.storage.errors import (
    CheckpointError,
    DamagedError,
    MissingError,
    describe_error,
    is_damage,
    is_full,
)
from gradlog.storage.files import (
    Stamp,
    atomic_folder,
    delete_folder,
    delete_leftovers,
    find_free_name,
    own_path,
    stamp_folder,
)
from gradlog.storage.manifest import STATE, Manifest
from gradlog.storage.state_arrays import (
    Arrays,
    assign_places,
    copy_arrays,
    describe_arrays,
    match_names,
    pack,
    read_arrays,
    unflatten_arrays,
    write_arrays,
)

ASIDE = "damaged"  # the folder for damaged checkpoints
_NO_NOTES: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Retention:
    """A rule that selects the checkpoints to keep.

    Attributes:
      last: number of newest checkpoints; 0 keeps all.
      every: keep each multiple of this step; 0 for none.
      best: number of checkpoints with the lowest ``held_out_loss`` in their notes.
    """

    last: int
    every: int = 0
    best: int = 0

    def select(self, notes: Mapping[int, Mapping[str, Any]]) -> set[int]:
        """Return the steps to keep, from the notes of all checkpoints by step.

        >>> Retention(last=1, every=3).select({step: {} for step in (2, 3, 4, 5)})
        {3, 5}
        """
        if not self.last:
            return set(notes)
        multiples = {step for step in notes if self.every and step % self.every == 0}
        losses = {step: note.get("held_out_loss") for step, note in notes.items()}
        known = {
            step: loss
            for step, loss in losses.items()
            if isinstance(loss, int | float) and math.isfinite(loss)
        }
        best = sorted(known, key=lambda step: (known[step], step))[: self.best]
        return {*sorted(notes)[-self.last :], *multiples, *best}


KEEP_ALL = Retention(0)


class Checkpoints:
    """The checkpoints of one run, by step, each a folder in ``directory``.

    Arrays come back bit for bit as NumPy arrays, whatever devices they were on. A folder appears
    whole or not at all. Nothing is restored that differs from what was written. One process at a
    time may save; any number may read.

    Attributes:
      directory: the folder of the checkpoints; the first save makes it.
      keep: the checkpoints to keep after each save.
      run: the run that must have written them; '' accepts every run. A claim gives a run its name.
    """

    def __init__(self, directory: Path, keep: Retention = KEEP_ALL, run: str = ""):
        self.directory = directory
        self.keep = keep
        self.run = run
        self._thread: ThreadPoolExecutor | None = None
        self._pending: Future[None] | None = None
        self._saved: int | None = None  # the newest step that was written here
        # For each step whose files were all read: their stamp, and whether they were intact.
        self._verified: dict[int, tuple[Stamp, bool]] = {}

    # --- looking ----------------------------------------------------------------------------

    def steps(self) -> list[int]:
        """Return all steps that have a folder, in order, whether intact or damaged."""
        if not self.directory.is_dir():
            return []
        return sorted(int(path.name) for path in self.directory.iterdir() if is_step_folder(path))

    def notes(self, step: int) -> dict[str, Any]:
        """Return the notes that were saved with a step.

        Raises:
          DamagedError: its manifest does not exist, or is not what was written.
          MissingError: there is no such step.
        """
        return self._read_manifest(step).notes

    def fingerprint(self, step: int) -> str:
        """Return sixteen hexadecimal digits that identify the arrays of a step.

        Its manifest describes them: none is read.

        Raises:
          DamagedError: its manifest does not exist, or is not what was written.
          MissingError: there is no such step.
        """
        return self._read_manifest(step).fingerprint

    def verify(self, step: int) -> list[str]:
        """Read every file of a checkpoint, and return a few words for each damage.

        A checkpoint that a training deletes or replaces meanwhile is not damaged.

        Raises:
          MissingError: there is no such step.
          CheckpointError: it cannot be read at the moment, so whether it is damaged is unknown.
        """
        folder = self._folder(step)
        before = stamp_folder(folder)
        try:
            complaints = Manifest.read(folder).find_damage(folder, step, self.run)
        except (OSError, TypeError, ValueError, LookupError, AttributeError) as error:
            in_trouble = isinstance(error, OSError) and not is_damage(error)
            is_newer = isinstance(error, CheckpointError) and not isinstance(error, DamagedError)
            if in_trouble or is_newer:
                raise self._unreadable(step, error) from error
            complaints = [describe_error(error)]
        if complaints:
            self._check_exists(step)
            if stamp_folder(folder) != before:
                return self.verify(step)
        if before:
            self._verified[step] = before, not complaints
        return complaints

    def restore(self, step: int, like: Any) -> Any:
        """Verify a checkpoint and return its state, with the structure of ``like``.

        Files that ``verify`` has read, and that have not changed since, are not read twice for
        this. A checkpoint of version 0.1 gets the names of today's state.

        Args:
          step: the step.
          like: a tree of arrays or of ``jax.ShapeDtypeStruct``.

        Raises:
          DamagedError: it is not as it was written.
          MissingError: there is no such step.
          CheckpointError: its arrays have other names, shapes or types, or it cannot be read at the
            moment.
        """
        manifest = self._read_manifest(step)
        if not self._was_verified(step, intact=True) and (complaints := self.verify(step)):
            raise self._damaged(step, complaints)
        wanted = describe_arrays(like)
        names = match_names(manifest.types, wanted)
        stored = {names[name]: kind for name, kind in manifest.types.items()}
        for name in sorted(stored.keys() | wanted.keys()):
            found, expected = stored.get(name, "nothing"), wanted.get(name, "nothing")
            if found != expected:
                raise CheckpointError(
                    f"the checkpoint of step {step} in {self.directory} does not fit this model: "
                    f"{name} is {found} there, {expected} here"
                )
        try:
            arrays = _read_arrays(self._folder(step), manifest)
        except DamagedError as error:
            raise self._damaged(step, [str(error)]) from error
        except Exception as error:  # whatever Orbax and TensorStore raise
            if complaints := self.verify(step):  # the last verification may be outdated
                raise self._damaged(step, complaints) from error
            raise self._unreadable(step, error) from error
        return unflatten_arrays({names[name]: arrays[name] for name in arrays}, like)

    # --- saving -----------------------------------------------------------------------------

    def save(self, step: int, state: Any, notes: Mapping[str, Any] = _NO_NOTES) -> None:
        """Copy the arrays, and start to write them in a thread.

        What was written is read back before it counts. A step that exists and is intact stays as it
        is. Afterwards the checkpoints that ``keep`` does not select are deleted, except damaged
        ones.

        Raises:
          CheckpointError: the save before this one failed; the message says why.
        """
        arrays = copy_arrays(state)
        self.finish()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1)
        self._pending = self._thread.submit(partial(self._write, step, arrays, dict(notes)))

    def finish(self) -> None:
        """Wait until everything is on disk.

        Raises:
          CheckpointError: the last save failed; the message says why. It is raised once.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def find_loss(self) -> str:
        """Return what happened to the newest checkpoint saved here; '' if it is still there.

        It is never deleted by this program before a newer one is saved. Call ``finish`` first.
        """
        step = self._saved
        if step is None or self._folder(step).is_dir():
            return ""
        return f"{self._folder(step)}, which was saved before, was moved or deleted meanwhile"

    def close(self) -> None:
        """Wait as ``finish`` does, and end the thread that writes."""
        try:
            self.finish()
        finally:
            if self._thread is not None:
                self._thread.shutdown()
            self._thread = None

    def set_aside(self, step: int) -> Path:
        """Move a damaged checkpoint to the folder ``damaged``, and return its new path.

        Raises:
          CheckpointError: there is no such step, or it cannot be moved.
        """
        self._check_exists(step)
        folder, aside = self._folder(step), own_path(self.directory, ASIDE)
        try:
            aside.mkdir(exist_ok=True)
            return folder.rename(find_free_name(aside / str(step)))
        except OSError as error:
            raise CheckpointError(
                f"cannot move {folder} to {aside}: {describe_error(error)}"
            ) from error

    def _write(self, step: int, arrays: Arrays, notes: dict[str, Any]) -> None:
        folder = self._folder(step)
        try:
            own_path(self.directory.parent, self.directory.name, str(step))
            delete_leftovers(self.directory)
            if folder.exists() and self.verify(step):
                self.set_aside(step)
            if not folder.exists():
                with atomic_folder(folder) as temporary:
                    (temporary / STATE).mkdir()
                    write_arrays(temporary / STATE, pack(arrays, assign_places(arrays)))
                    manifest = Manifest.describe(temporary, step, self.run, arrays, notes)
                    _read_arrays(temporary, manifest)
                    manifest.write(temporary)
            self._saved = step
        except Exception as error:  # whatever Orbax and TensorStore raise
            size = sum(array.nbytes for array in arrays.values())
            advice = "free space there; " if is_full(error) else ""
            raise CheckpointError(
                f"cannot write the checkpoint of step {step} ({size:,} bytes) to {self.directory}: "
                f"{describe_error(error)}; {advice}earlier checkpoints are unchanged, and the same "
                "command resumes from the newest"
            ) from error
        self._delete_others()

    def _delete_others(self) -> None:
        """Delete the checkpoints that ``keep`` does not select. Damaged ones stay as evidence."""
        notes = {}
        for step in self.steps():
            # Files are not read here, only their sizes: that is enough to count a checkpoint.
            with contextlib.suppress(CheckpointError, OSError):
                manifest = self._read_manifest(step)
                known_damage = self._was_verified(step, intact=False)
                if not known_damage and manifest.has_sizes_of(self._folder(step)):
                    notes[step] = manifest.notes
        for step in notes.keys() - self.keep.select(notes):
            try:
                complaints = self.verify(step)  # every file is read before it is deleted
            except CheckpointError:
                continue
            if complaints:
                continue
            try:
                delete_folder(self._folder(step))
            except OSError as error:
                raise CheckpointError(
                    f"cannot delete {self._folder(step)}, which need not be kept: "
                    f"{describe_error(error)}"
                ) from error

    # --- small parts ------------------------------------------------------------------------

    def _folder(self, step: int) -> Path:
        return self.directory / str(step)

    def _was_verified(self, step: int, *, intact: bool) -> bool:
        """Return whether all files were read with this outcome, and have not changed since."""
        return self._verified.get(step) == (stamp_folder(self._folder(step)), intact)

    def _check_exists(self, step: int) -> None:
        if not self._folder(step).is_dir():
            raise MissingError(
                f"no checkpoint of step {step} in {self.directory}; there are {self.steps()}"
            )

    def _read_manifest(self, step: int) -> Manifest:
        self._check_exists(step)
        try:
            return Manifest.read(self._folder(step))
        except DamagedError as error:
            raise self._damaged(step, [str(error)]) from error
        except (OSError, CheckpointError) as error:
            raise self._unreadable(step, error) from error

    def _damaged(self, step: int, complaints: list[str]) -> CheckpointError:
        self._check_exists(step)  # a training may have deleted it meanwhile
        more = f", and {len(complaints) - 1} more" if len(complaints) > 1 else ""
        return DamagedError(
            f"the checkpoint of step {step} in {self.directory} is damaged: {complaints[0]}{more}"
        )

    def _unreadable(self, step: int, error: Exception) -> CheckpointError:
        self._check_exists(step)
        what = f"the checkpoint of step {step} in {self.directory} cannot be read"
        if isinstance(error, CheckpointError):
            return CheckpointError(f"{what}: {error}")
        return CheckpointError(
            f"{what} now: {describe_error(error)}; nothing was changed, and the same command tries "
            "again"
        )


def is_step_folder(path: Path) -> bool:
    """Return whether this is the folder of a step, by its name."""
    name = path.name
    return name.isascii() and name.isdecimal() and str(int(name)) == name and path.is_dir()


def _read_arrays(folder: Path, manifest: Manifest) -> Arrays:
    """Return the arrays of a checkpoint. Raise DamagedError unless they equal those in memory."""
    return manifest.unpack(read_arrays(folder / STATE, sorted(set(manifest.places.values()))))
