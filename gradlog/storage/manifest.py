"""The manifest of a checkpoint: what was written, so that any change is found."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from gradlog.storage.errors import CheckpointError, DamagedError, describe_error, is_damage
from gradlog.storage.files import list_files, read_bytes
from gradlog.storage.state_arrays import Arrays, Places, assign_places, unpack

STATE = "state"  # the folder of Orbax's files
_NAME = "manifest.json"
# Since version 0.2 the arrays have other names, see ``state_arrays.match_names``. The format number
# is the same on purpose: version 0.1 then refuses a newer checkpoint, because its arrays do not fit
# the model. With another number it would call the checkpoint damaged and set it aside.
_FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """The contents of ``manifest.json``.

    Attributes:
      step: the checkpoint's step.
      run: the run that wrote it; '' if it belongs to no particular run.
      files: size in bytes and SHA-256 of each file in ``state``.
      layout: dtype, shape and SHA-256 of each array in memory.
      places: the stored array that contains each array; see ``state_arrays.assign_places``.
      notes: further values to store with the step. They may be NaN.
      format: version of this file's format.
    """

    step: int
    run: str
    files: dict[str, dict[str, Any]]
    layout: dict[str, dict[str, Any]]
    places: Places
    notes: dict[str, Any]
    format: int = _FORMAT

    @classmethod
    def describe(
        cls, folder: Path, step: int, run: str, arrays: Arrays, notes: Mapping[str, Any]
    ) -> "Manifest":
        """Describe a checkpoint's folder, to whose ``state`` the arrays were written."""
        files, _ = list_files(folder / STATE)
        entries = {name: _describe_file(path) for name, path in files.items()}
        layout = {name: _describe_array(array) for name, array in arrays.items()}
        plain_notes = json.loads(json.dumps(dict(notes), default=_to_number))
        return cls(step, run, entries, layout, assign_places(arrays), plain_notes)

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read the manifest in a checkpoint's folder.

        Raises:
          DamagedError: it does not exist, or is not what was written.
          CheckpointError: a later version of this program wrote it.
          OSError: it cannot be read at the moment.
        """
        path = folder / _NAME
        try:
            raw = read_bytes(path)
            contents = json.loads(raw)["manifest"]
            as_written = render_manifest(contents) == raw
        except FileNotFoundError:
            raise DamagedError("it has no manifest.json") from None
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            if isinstance(error, OSError) and not is_damage(error):
                raise
            reason = describe_error(error)
            raise DamagedError(f"its manifest.json cannot be read ({reason})") from error
        if not as_written:
            raise DamagedError("its manifest.json is not as it was written")
        found = contents.get("format")
        if found != _FORMAT:  # no damage: nothing may be moved or trained again
            raise CheckpointError(
                f"its manifest.json has format {found}, and this version reads {_FORMAT}: use the "
                "version that wrote it"
            )
        return cls(**contents)

    def write(self, folder: Path) -> None:
        """Write ``manifest.json`` into a checkpoint's folder."""
        (folder / _NAME).write_bytes(render_manifest(asdict(self)))

    @property
    def types(self) -> dict[str, str]:
        """Type and shape of every array by name, as ``describe_arrays`` formats them."""
        return {
            name: f"{entry['dtype']} {tuple(entry['shape'])}" for name, entry in self.layout.items()
        }

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that identify the arrays."""
        text = json.dumps(self.layout, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def find_damage(self, folder: Path, step: int, run: str) -> list[str]:
        """Return a few words for each difference between a folder and this manifest.

        Args:
          folder: the checkpoint's folder.
          step: the step that it should be.
          run: the run that should have written it; '' accepts every run.

        Raises:
          OSError: a file cannot be read at the moment.
        """
        found = []
        if self.step != step:
            found.append(f"it is the checkpoint of step {self.step}")
        if run and self.run != run:
            found.append(f"it is of another run, {self.run or 'unnamed'}")
        strangers = [path for path in folder.iterdir() if path.name not in (_NAME, STATE)]
        found += [f"{path.name} does not belong to it" for path in sorted(strangers)]
        links = [path for path in (folder, folder / _NAME, folder / STATE) if path.is_symlink()]
        found += [f"{path.name} is a link" for path in links]
        stored = {name for name, entry in self.layout.items() if math.prod(entry["shape"])}
        for name in sorted(stored ^ self.places.keys()):  # one without elements is not stored
            found.append(f"its manifest.json does not say where {name} is stored, and what it is")
        if not (folder / STATE).is_dir():
            return [*found, f"{STATE} is missing"]
        files, others = list_files(folder / STATE)
        for name in sorted(files.keys() | self.files.keys()):
            if complaint := _compare_file(files.get(name), self.files.get(name)):
                found.append(f"{STATE}/{name} {complaint}")
        return found + [f"{STATE}/{name} does not belong to it" for name in sorted(others)]

    def has_sizes_of(self, folder: Path) -> bool:
        """Return whether a folder has these files with these sizes. Their contents are not read."""
        found = {name: path.stat().st_size for name, path in list_files(folder / STATE)[0].items()}
        return found == {name: entry["size"] for name, entry in self.files.items()}

    def unpack(self, stored: Mapping[str, np.ndarray]) -> Arrays:
        """Return the arrays as they were in memory, from the stored ones.

        Raises:
          DamagedError: an array differs from the one in memory by a bit or more.
        """
        shapes = {name: entry["shape"] for name, entry in self.layout.items()}
        arrays = unpack(stored, self.places, shapes)
        for name, entry in self.layout.items():
            if name not in self.places:  # an array without elements is not stored
                arrays[name] = np.zeros(shapes[name], jnp.dtype(entry["dtype"]))
            if _describe_array(arrays[name]) != entry:
                raise DamagedError(f"{name} is not what it was in memory")
        return arrays


def render_manifest(contents: Any) -> bytes:
    """Return the only text that is valid for these contents: any other byte is damage."""
    checksum = hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()
    whole = {"manifest": contents, "sha256": checksum}
    return (json.dumps(whole, indent=1, sort_keys=True) + "\n").encode()


def _describe_array(array: np.ndarray) -> dict[str, Any]:
    # hashlib does not take the buffers of some types (bfloat16) as they are.
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return {
        "dtype": str(array.dtype),
        "shape": list(array.shape),
        "sha256": hashlib.sha256(data.data).hexdigest(),
    }


def _describe_file(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": checksum}


def _compare_file(path: Path | None, entry: dict[str, Any] | None) -> str:
    """Return what is wrong with a file; '' for nothing."""
    if path is None:
        return "is missing"
    if entry is None:
        return "does not belong to it"
    try:
        size = path.stat().st_size
        if size != entry["size"]:
            return f"has {size} bytes, not {entry['size']}"
        return "" if _describe_file(path) == entry else "is not as it was written"
    except OSError as error:
        if not is_damage(error):
            raise
        return f"cannot be read ({describe_error(error)})"


def _to_number(value: Any) -> Any:
    """Return one of NumPy's numbers as Python's, for ``json.dumps``."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} in the notes of a checkpoint: numbers and text only")
