"""What a checkpoint says of itself, so that what is not as it was written is found."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from gradlog.storage.errors import DamagedError, is_damage, reason_of
from gradlog.storage.folders import plain_files
from gradlog.storage.layout import Arrays
from gradlog.storage.packing import Places, places_of, unpacked

STATE = "state"
_NAME = "manifest.json"
_FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """The contents of ``manifest.json``.

    Attributes:
      step: of the checkpoint.
      run: the run that wrote it; '' for none in particular.
      files: size in bytes and SHA-256 of each file in ``state``.
      layout: dtype, shape and SHA-256 of each array as it was in memory.
      places: the stored array that holds it, see ``packing``.
      notes: what else is to be known of it, NaN included.
      format: of this file.
    """

    step: int
    run: str
    files: dict[str, dict[str, Any]]
    layout: dict[str, dict[str, Any]]
    places: Places
    notes: dict[str, Any]
    format: int = _FORMAT

    @classmethod
    def of(
        cls, folder: Path, step: int, run: str, arrays: Arrays, notes: Mapping[str, Any]
    ) -> "Manifest":
        """Of arrays that were written to ``state`` in a checkpoint's folder."""
        files, _ = plain_files(folder / STATE)
        seen = {name: _file_entry(path) for name, path in files.items()}
        layout = {name: _array_entry(array) for name, array in arrays.items()}
        noted = json.loads(json.dumps(dict(notes), default=_number))
        return cls(step, run, seen, layout, places_of(arrays), noted)

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Of a checkpoint's folder.

        Raises:
          DamagedError: there is none, or it is not what was written.
          OSError: it cannot be read now.
        """
        path = folder / _NAME
        try:
            raw = path.read_bytes()
            contents = json.loads(raw)["manifest"]
            as_written = render(contents) == raw
        except FileNotFoundError:
            raise DamagedError("it has no manifest.json") from None
        except OSError as error:
            if not is_damage(error):
                raise
            raise DamagedError(f"its manifest.json cannot be read ({reason_of(error)})") from error
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise DamagedError(f"its manifest.json cannot be read ({reason_of(error)})") from error
        if not as_written:
            raise DamagedError("its manifest.json is not as it was written")
        return cls._from(contents)

    @classmethod
    def _from(cls, contents: dict[str, Any]) -> "Manifest":
        if contents.get("format") != _FORMAT:
            raise DamagedError(
                f"its manifest.json has format {contents.get('format')}, not {_FORMAT}: another "
                "version wrote it"
            )
        return cls(**contents)

    def write(self, folder: Path) -> None:
        """Puts it into a checkpoint's folder."""
        (folder / _NAME).write_bytes(render(asdict(self)))

    @property
    def types(self) -> dict[str, str]:
        """Type and shape of every array by name, as ``layout.types`` has them."""
        return {
            name: f"{entry['dtype']} {tuple(entry['shape'])}" for name, entry in self.layout.items()
        }

    def complaints(self, folder: Path, step: int, run: str) -> list[str]:
        """All that is wrong with a folder of this manifest, in a few words each.

        Raises:
          OSError: something in it cannot be read now.
        """
        return [*self._of_another(step, run), *self._strangers(folder), *self._differing(folder)]

    def arrays(self, stored: Mapping[str, np.ndarray]) -> Arrays:
        """What was in memory, of what is stored; those without an element are not.

        Raises:
          DamagedError: it is not bit for bit the same.
        """
        shapes = {name: entry["shape"] for name, entry in self.layout.items()}
        empty = {
            name: np.zeros(shapes[name], jnp.dtype(entry["dtype"]))
            for name, entry in self.layout.items()
            if name not in self.places
        }
        found = unpacked(stored, self.places, shapes) | empty
        for name, entry in self.layout.items():
            if _array_entry(found[name]) != entry:
                raise DamagedError(f"{name} is not what it was in memory")
        return found

    def has_sizes_of(self, folder: Path) -> bool:
        """Whether a folder has these files, as far as can be told without reading them."""
        found = {name: path.stat().st_size for name, path in plain_files(folder / STATE)[0].items()}
        return found == {name: entry["size"] for name, entry in self.files.items()}

    def _of_another(self, step: int, run: str) -> list[str]:
        found = [f"it is the checkpoint of step {self.step}"] if self.step != step else []
        # Without a run nothing is known of whose it should be.
        other = run and self.run != run
        return [*found, f"it is of another run, {self.run or 'unnamed'}"] if other else found

    @staticmethod
    def _strangers(folder: Path) -> list[str]:
        beside = [path for path in folder.iterdir() if path.name not in (_NAME, STATE)]
        links = [path for path in (folder / _NAME, folder / STATE) if path.is_symlink()]
        return [f"{path.name} does not belong to it" for path in sorted(beside)] + [
            f"{path.name} is a link" for path in links
        ]

    def _differing(self, folder: Path) -> list[str]:
        if not (folder / STATE).is_dir():
            return [f"{STATE} is missing"]
        files, others = plain_files(folder / STATE)
        named = []
        for name in sorted(files.keys() | self.files.keys()):
            complaint = _complaint(files.get(name), self.files.get(name))
            named += [f"{STATE}/{name} {complaint}"] if complaint else []
        return named + [f"{STATE}/{name} does not belong to it" for name in sorted(others)]


def _array_entry(array: np.ndarray) -> dict[str, Any]:
    """What the layout has of an array."""
    # The buffers of some types (bfloat16) are not taken as they are.
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return {
        "dtype": str(array.dtype),
        "shape": list(array.shape),
        "sha256": hashlib.sha256(data.data).hexdigest(),
    }


def _number(value: Any) -> Any:
    """NumPy's numbers as Python's: what ``json`` asks where it knows nothing better."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} in the notes of a checkpoint: numbers and text only")


def _file_entry(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": checksum}


def _complaint(path: Path | None, entry: dict[str, Any] | None) -> str:
    if path is None:
        return "is missing"
    if entry is None:
        return "does not belong to it"
    try:
        size = path.stat().st_size
        if size != entry["size"]:
            return f"has {size} bytes, not {entry['size']}"
        return "" if _file_entry(path) == entry else "is not as it was written"
    except OSError as error:
        if not is_damage(error):
            raise
        return f"cannot be read ({reason_of(error)})"


def render(contents: Any) -> bytes:
    """The one text that says this: whatever else is in the file, was not written."""
    plain = json.dumps(contents, sort_keys=True)
    checksum = hashlib.sha256(plain.encode()).hexdigest()
    whole = {"manifest": contents, "sha256": checksum}
    return (json.dumps(whole, indent=1, sort_keys=True) + "\n").encode()
