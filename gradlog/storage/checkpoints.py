"""Checkpoints of training states: Orbax's files, and a manifest of what must be in them."""

import contextlib
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gradlog.storage.background import Background
from gradlog.storage.errors import (
    CheckpointError,
    DamagedError,
    MissingError,
    is_damage,
    reason_of,
    unwritten,
)
from gradlog.storage.files import free_name
from gradlog.storage.folders import (
    Stamp,
    delete_folder,
    leftovers,
    remove_empty,
    stamp_of,
    whole_folder,
)
from gradlog.storage.layout import Arrays, arranged, copied, types
from gradlog.storage.manifest import STATE, Manifest
from gradlog.storage.packing import packed, places_of
from gradlog.storage.retention import KEEP_ALL, Retention
from gradlog.storage.serializer import read_arrays, write_arrays
from gradlog.storage.workdir import EMPTY

ASIDE = "damaged"


class Checkpoints:
    """The checkpoints of one run, by step, each a folder in ``directory``.

    Arrays are stored as they are and come back bit for bit, as NumPy arrays, whatever devices they
    were on. A folder appears whole or not at all, and nothing is restored that is not as it was
    written. One process at a time may save; any may read.

    Attributes:
      directory: where they are; made by the first that is saved.
      keep: which of them are kept when one is saved.
      run: the run they are of; '' where that is not known, and none is told from another's.
    """

    def __init__(self, directory: Path, keep: Retention = KEEP_ALL, run: str = ""):
        self.directory = directory
        self.keep = keep
        self.run = run
        self._background = Background()
        self._seen: dict[int, tuple[Stamp, bool]] = {}  # whether it was sound, all files read

    def steps(self) -> list[int]:
        """Steps that have a folder, in order: sound or not."""
        if not self.directory.is_dir():
            return []
        return sorted(int(path.name) for path in self.directory.iterdir() if is_step(path))

    def latest(self) -> int | None:
        """The newest step, if there is any: sound or not."""
        return max(self.steps(), default=None)

    def newest_sound(self) -> int | None:
        """The newest step whose checkpoint is as it was written, if there is any."""
        for step in reversed(self.steps()):
            with contextlib.suppress(MissingError):
                if not self.verify(step):
                    return step
        return None

    def notes(self, step: int) -> dict[str, Any]:
        """What was noted of a step when it was saved.

        Raises:
          DamagedError: its manifest is not there, or not as it was written.
          MissingError: there is no such step.
        """
        return self._manifest(step).notes

    def verify(self, step: int) -> list[str]:
        """What is wrong with a checkpoint, in a few words each; every file is read once.

        What was deleted or replaced meanwhile, by the run that goes on, is no damage.

        Raises:
          MissingError: there is no such step.
          CheckpointError: it cannot be read now, so that nothing is known of it.
        """
        before = stamp_of(self._folder(step))
        complaints = self._complaints(step)
        if complaints:
            self._check_there(step)
            if stamp_of(self._folder(step)) != before:
                return self.verify(step)
        if before:
            self._seen[step] = before, not complaints
        return complaints

    def _complaints(self, step: int) -> list[str]:
        """What is wrong with a folder that nobody changes meanwhile."""
        folder = self._folder(step)
        try:
            return Manifest.read(folder).complaints(folder, step, self.run)
        except OSError as error:
            if not is_damage(error):
                raise self._unreadable(step, error) from error
            return [reason_of(error)]
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            return [reason_of(error)]

    def save(self, step: int, state: Any, notes: Mapping[str, Any] = EMPTY) -> None:
        """Copies the arrays and starts writing them; a step that is there and sound is left.

        What was written is read back before it counts. Then those that need not be kept are
        deleted, damaged ones excepted.

        Raises:
          CheckpointError: the one before could not be written; the message says why.
        """
        self._background.start(partial(self._write, step, copied(state), dict(notes)))

    def finish(self) -> None:
        """Waits until everything is on disk.

        Raises:
          CheckpointError: it could not be written; the message says why.
        """
        self._background.finish()

    def close(self) -> None:
        """Waits as ``finish`` does, and ends the thread that writes."""
        self._background.close()

    def restore(self, step: int, like: Any) -> Any:
        """The state of a step, with the structure of ``like``, verified first.

        Files that ``verify`` has read and nobody has touched since are not read for that again.

        Raises:
          DamagedError: it is not as it was written.
          MissingError: there is no such step.
          CheckpointError: its arrays have other names, shapes or types, or cannot be read now.
        """
        manifest = self._manifest(step)
        if not self._is_known(step, sound=True) and (complaints := self.verify(step)):
            raise self._damaged(step, complaints)
        self._check_types(step, manifest.types, types(like))
        try:
            arrays = _read(self._folder(step), manifest)
        except DamagedError as error:
            raise self._damaged(step, [str(error)]) from error
        except Exception as error:  # whatever Orbax and TensorStore raise
            if complaints := self.verify(step):  # what was known may be of long ago
                raise self._damaged(step, complaints) from error
            raise self._unreadable(step, error) from error
        return arranged(arrays, like)

    def set_aside(self, step: int) -> Path:
        """Moves a damaged checkpoint to the folder of such; gives where it is now.

        Raises:
          CheckpointError: there is no such step, or it cannot be moved.
        """
        self._check_there(step)
        folder, aside = self._folder(step), self.directory / ASIDE
        try:
            aside.mkdir(exist_ok=True)
            return folder.rename(free_name(aside / str(step)))
        except OSError as error:
            raise CheckpointError(f"cannot move {folder} to {aside}: {reason_of(error)}") from error

    def _folder(self, step: int) -> Path:
        return self.directory / str(step)

    def _check_there(self, step: int) -> None:
        if not self._folder(step).is_dir():
            raise MissingError(
                f"no checkpoint of step {step} in {self.directory}; there are {self.steps()}"
            )

    def _manifest(self, step: int) -> Manifest:
        self._check_there(step)
        try:
            return Manifest.read(self._folder(step))
        except DamagedError as error:
            raise self._damaged(step, [str(error)]) from error
        except OSError as error:
            raise self._unreadable(step, error) from error

    def _damaged(self, step: int, complaints: list[str]) -> CheckpointError:
        self._check_there(step)  # the run that goes on may have deleted it meanwhile
        more = f", and {len(complaints) - 1} more" if len(complaints) > 1 else ""
        return DamagedError(
            f"the checkpoint of step {step} in {self.directory} is damaged: {complaints[0]}{more}"
        )

    def _unreadable(self, step: int, error: Exception) -> CheckpointError:
        self._check_there(step)
        return CheckpointError(
            f"the checkpoint of step {step} in {self.directory} cannot be read now: "
            f"{reason_of(error)}; nothing was changed, and the same command tries again"
        )

    def _check_types(self, step: int, there: dict[str, str], here: dict[str, str]) -> None:
        for name in sorted(there.keys() | here.keys()):
            found, wanted = there.get(name, "nothing"), here.get(name, "nothing")
            if found != wanted:
                raise CheckpointError(
                    f"the checkpoint of step {step} in {self.directory} does not fit this model: "
                    f"{name} is {found} there, {wanted} here"
                )

    def _write(self, step: int, arrays: Arrays, notes: dict[str, Any]) -> None:
        try:
            for path in leftovers(self.directory):  # of a process that was killed
                shutil.rmtree(path)
            if self._make_way(step):
                self._write_folder(step, arrays, notes)
        except Exception as error:  # whatever Orbax and TensorStore raise
            size = sum(array.nbytes for array in arrays.values())
            raise unwritten(step, self.directory, size, error) from error
        self._delete_others()

    def _make_way(self, step: int) -> bool:
        """Whether a step is to be written: a damaged one in its place is set aside."""
        if not self._folder(step).exists():
            return True
        if not self.verify(step):
            return False
        self.set_aside(step)
        return True

    def _write_folder(self, step: int, arrays: Arrays, notes: dict[str, Any]) -> None:
        with whole_folder(self._folder(step)) as folder:
            (folder / STATE).mkdir()
            write_arrays(folder / STATE, packed(arrays, places_of(arrays)))
            remove_empty(folder / STATE)
            manifest = Manifest.of(folder, step, self.run, arrays, notes)
            _read(folder, manifest)
            manifest.write(folder)

    def _delete_others(self) -> None:
        notes = {step: self.notes(step) for step in self.steps() if self._counts(step)}
        for step in notes.keys() - self.keep.kept(notes):
            # Read before it goes: what was damaged since it was written is evidence.
            if self._is_found_sound(step):
                self._delete(step)

    def _counts(self, step: int) -> bool:
        """Whether it is sound as far as can be told without reading its files."""
        try:
            return not self._is_known(step, sound=False) and self._manifest(step).has_sizes_of(
                self._folder(step)
            )
        except (CheckpointError, OSError):
            return False

    def _is_known(self, step: int, *, sound: bool) -> bool:
        """Whether all its files were read and found so, and none was touched since."""
        return self._seen.get(step) == (stamp_of(self._folder(step)), sound)

    def _is_found_sound(self, step: int) -> bool:
        try:
            return not self.verify(step)
        except CheckpointError:
            return False

    def _delete(self, step: int) -> None:
        try:
            delete_folder(self._folder(step))
        except OSError as error:
            raise CheckpointError(
                f"cannot delete {self._folder(step)}, which need not be kept: {reason_of(error)}"
            ) from error


def _read(folder: Path, manifest: Manifest) -> Arrays:
    """The arrays of a checkpoint, bit for bit what they were in memory.

    Raises:
      DamagedError: they are not.
    """
    stored = sorted(set(manifest.places.values()))
    return manifest.arrays(read_arrays(folder / STATE, stored))


def is_step(path: Path) -> bool:
    """Whether it is the folder of a step, by its name."""
    name = path.name
    return name.isascii() and name.isdecimal() and str(int(name)) == name and path.is_dir()
