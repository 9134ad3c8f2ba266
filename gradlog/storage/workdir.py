"""The layout of a workdir, and the identity that makes it one experiment's."""

import hashlib
import importlib.metadata
import json
import platform
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import numpy as np

from gradlog.aliases import filled_settings, modern_result, modern_settings, old_settings
from gradlog.data import UNKNOWN
from gradlog.storage.errors import DamagedFileError, WorkdirError
from gradlog.storage.files import own_path, read_json, read_sealed, write_json

PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "diffrax",
    "ml_collections",
    "tensorflow-datasets",
    "scikit-learn",
    "scipy",
    "numpy",
)
# The keys of ``provenance.json`` and their types.
PROVENANCE = {"run": str, "identity": dict, "versions": dict, "versions_from_step": dict}
_FINGERPRINT = "data.fingerprint"  # in the identity of a run
_DATA = "data"  # a further key of it, with facts about the data; version 0.1 has none
_NO_DEFAULTS: Mapping[str, Any] = MappingProxyType({})
_NO_FACTS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Workdir:
    """The files of one run's folder.

    Attributes:
      root: the folder.
      advice: what to do if the folder belongs to another experiment.
    """

    root: Path
    advice: str = "choose another --workdir"

    # --- the run ----------------------------------------------------------------------------

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.root / "config.json"

    @property
    def provenance(self) -> Path:
        """Identity, data fingerprint and package versions."""
        return self.root / "provenance.json"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.root / "checkpoints"

    @property
    def metrics(self) -> Path:
        """The metrics of the training, one line of JSON for each logged step."""
        return self.root / "metrics.jsonl"

    def own(self, *names: str) -> Path:
        """Return the path of a file or folder inside this one that may be written.

        Raises:
          WorkdirError: it, or a folder on the way to it, is a link or a special file.
        """
        return own_path(self.root, *names)

    def exists(self) -> bool:
        """Return whether the folder has a configuration to open it with."""
        return self.config.is_file()

    @property
    def run(self) -> str:
        """The run's random name, which its checkpoints carry; '' before the folder is claimed."""
        try:
            found = read_json(self.provenance)["run"]
        except (OSError, ValueError, LookupError, TypeError):  # ``check`` reports it
            return ""
        return found if isinstance(found, str) else ""

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that must never change here, by dotted key; empty before it is claimed.

        Raises:
          WorkdirError: ``provenance.json`` is missing or cannot be read.
        """
        return self._read_provenance()["identity"] if self._has_begun() else {}

    @property
    def data_facts(self) -> dict[str, Any]:
        """Facts about the data from the claim; empty before, and in workdirs of version 0.1.

        Raises:
          WorkdirError: ``provenance.json`` is missing or cannot be read.
        """
        found = self._read_provenance().get(_DATA) if self._has_begun() else None
        return found if isinstance(found, dict) else {}

    def claim(
        self,
        config: dict,
        identity: dict,
        step: int = 0,
        defaults: Mapping[str, Any] = _NO_DEFAULTS,
        data_facts: Mapping[str, Any] = _NO_FACTS,
    ) -> None:
        """Make the folder this experiment's, or check that it is, before training begins.

        Args:
          config: the resolved configuration, which is written to the folder.
          identity: the settings that must never change in a workdir, by dotted key.
          step: the step at which training begins. Today's package versions are noted for it.
          defaults: see ``check``.
          data_facts: facts about the data, with which the run can be opened without them.

        Raises:
          WorkdirError: the folder belongs to another experiment, or cannot be written.
        """
        try:
            str(self.root.absolute()).encode()
        except UnicodeEncodeError as error:  # checkpoints could not be written there
            raise WorkdirError(
                f"the name of {self.root.absolute()} is no UTF-8 text; choose another --workdir"
            ) from error
        self.check(identity, defaults)
        history = self._read_provenance()["versions_from_step"] if self._has_begun() else {}
        versions = list_versions()
        provenance = {
            "run": self.run or secrets.token_hex(8),
            "identity": identity,
            "versions": versions,
            "versions_from_step": history | {str(step): versions},
            _DATA: dict(data_facts) or self.data_facts,
        }
        self._write(self.provenance, provenance)
        self._write(self.config, config)

    def restore_config(self, config: dict) -> None:
        """Write the configuration again if it was lost. Call ``check`` first.

        Raises:
          WorkdirError: the folder cannot be written.
        """
        if not self.exists():
            self._write(self.config, config)

    def check(self, identity: dict, defaults: Mapping[str, Any] = _NO_DEFAULTS) -> None:
        """Check that the folder has this identity, or that nothing has begun there.

        A value that is UNKNOWN on either side counts as equal. Keys that are only stored in the
        folder are not compared.

        Args:
          identity: settings by dotted key.
          defaults: the values of keys that did not exist yet when the folder was made.

        Raises:
          WorkdirError: it has another identity; the message names the keys. Or its
            ``provenance.json`` is missing or cannot be read.
        """
        if not self._has_begun():
            return
        stored = modern_settings(self._read_provenance()["identity"])
        stored = {key: defaults[key] for key in identity.keys() & defaults.keys()} | stored
        # A key that is only stored is one that the members named here do not read: their names
        # differ, or it was stored by an older version, which also stored keys of samplers.
        differing = {
            key: (stored.get(key), value)
            for key, value in _as_stored(identity).items()
            if stored.get(key) != value and UNKNOWN not in (stored.get(key), value)
        }
        # Under another name a section has other keys: the name says it all.
        renamed = {key.removesuffix("name") for key in differing if key.endswith(".name")}
        shown = {
            key: values
            for key, values in differing.items()
            if key.endswith(".name") or not key.startswith(tuple(renamed))
        }
        if shown:
            first = sorted(shown, key=lambda key: (not key.endswith(".name"), key))
            changes = "; ".join(
                f"{key} is {shown[key][0]!r} there, {shown[key][1]!r} here" for key in first
            )
            variables = ", ".join(key for key in first if key.isupper())  # of the environment
            advice = f"set {variables} as there, or " * bool(variables) + self.advice
            if set(shown) == {_FINGERPRINT}:
                raise WorkdirError(
                    f"the data are not those that {self.root} was trained on ({changes}): they "
                    f"have changed since; restore them, or {self.advice}"
                )
            raise WorkdirError(f"{self.root} belongs to another experiment: {changes}; {advice}")

    def _has_begun(self) -> bool:
        """Return whether the folder has a file of some experiment."""
        has_checkpoints = self.checkpoints.is_dir() and any(self.checkpoints.iterdir())
        return has_checkpoints or self.config.exists() or self.provenance.exists()

    def _read_provenance(self) -> dict[str, Any]:
        try:
            found = read_json(self.provenance)
            for name, kind in PROVENANCE.items():
                if not isinstance(found[name], kind):
                    raise TypeError(f"its {name} is no {kind.__name__}")
        except FileNotFoundError as error:
            raise WorkdirError(
                f"{self.root} has no {self.provenance.name}, so it is unknown which experiment it "
                f"belongs to; put a copy of that file there, or {self.advice}"
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WorkdirError(
                f"{self.provenance} cannot be read ({type(error).__name__}: {error}), so it is "
                f"unknown which experiment {self.root} belongs to; put a copy of that file there, "
                f"or {self.advice}"
            ) from error
        return found

    def _write(self, path: Path, value: dict) -> None:
        try:
            write_json(path, value)
        except OSError as error:
            raise WorkdirError(f"cannot write to {self.root}: {error.strerror}") from error

    # --- results: each path is free, or already holds a result of the same settings -----------
    # WorkdirError says that a path leads through a link, see ``own``.

    def result(self, kind: str, step: int | str, *names: str, settings: dict) -> Path:
        """Return the folder for a result: of the kind 'eval', 'classify', 'encodings' or 'quality'.

        It lies beside the folder of that name if this holds a result of other settings.
        """
        *above, last = where = (kind, str(step), *names)
        folder = self.own(*where)
        if not _has_other_settings(folder, settings):
            return folder
        beside = self.own(*above, f"{last}-{digest(settings)}")
        older = self.own(*above, f"{last}-{digest(old_settings(settings))}")  # by version 0.1
        return older if older.exists() and not beside.exists() else beside

    def differences(self, step: int) -> Path:
        """Return the file for paired differences between the estimators of a step."""
        return self.own("eval", str(step), "differences.json")

    def over_training(self, settings: dict) -> Path:
        """Return the file for bits per dimension over the steps of a training."""
        path = self.own("eval", "over_training.json")
        try:
            found = modern_result(read_sealed(path)) if path.exists() else {}
            others = bool(found) and found.get("settings") != _as_stored(settings)
        except ValueError:  # a damaged file can be computed again from the results
            others = False
        return path.with_name(f"{path.stem}-{digest(settings)}.json") if others else path

    def comparison(self, folders: list[Path]) -> Path:
        """Return the file for paired differences between the results in these folders."""
        return self.own("compare", f"{digest([str(path.resolve()) for path in folders])}.json")

    def samples(self, step: int, settings: dict) -> Path:
        """Return the folder for samples of a step, or one inside of it for other settings."""
        base = self.own("samples", str(step))
        if _has_other_settings(base, settings):
            return self.own("samples", str(step), digest(settings))
        return base

    def quality_cache(self, name: str, settings: dict) -> Path:
        """Return the file for arrays that the quality of samples needs and that are costly."""
        return self.own("quality", "kept", f"{name}-{digest(settings)}.npz")


def _has_other_settings(folder: Path, settings: dict) -> bool:
    path = folder / "settings.json"
    try:
        if not path.exists():
            return False
        found = read_json(path)
        if not isinstance(found, dict):
            raise DamagedFileError(f"{path} is damaged (it holds no settings)")
        wanted = _as_stored(settings)
        return filled_settings(modern_settings(found), wanted) != wanted
    except DamagedFileError as error:
        raise WorkdirError(f"{error}; move {folder} away, and it is made again") from error


def _as_stored(value: Any) -> Any:
    """Return a value as JSON gives it back: tuples become lists."""
    return json.loads(json.dumps(value))


def check_writable(folder: Path, needed_bytes: int) -> None:
    """Check that a folder, which need not exist yet, can take so many bytes.

    Raises:
      WorkdirError: it is read-only, or its disk has too little space.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"\0")
        free = shutil.disk_usage(there).free
    except OSError as error:
        raise WorkdirError(f"cannot write to {folder}: {error.strerror}") from error
    if free < needed_bytes:
        raise WorkdirError(
            f"{folder} needs {needed_bytes:,} bytes for two checkpoints, and its disk has {free:,} "
            "free; free space there or choose another --workdir"
        )


def list_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that can change a number."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **found}


def digest(value: Any) -> str:
    """Return eight hexadecimal digits that identify a JSON value.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def digest_arrays(tree: Any) -> str:
    """Return sixteen hexadecimal digits that identify the contents of a tree of arrays."""
    total = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.asarray(leaf)
        total.update(f"{jax.tree_util.keystr(path)} {array.shape} {array.dtype}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()[:16]


def digest_params(params: dict[str, Any]) -> str:
    """Return the digest of parameters by group; of a network alone it is version 0.1's."""
    return digest_arrays(params["network"] if set(params) == {"network"} else params)
