"""The layout of a workdir, and what makes it one experiment's and not another's."""

import hashlib
import importlib.metadata
import json
import platform
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import numpy as np

from gradlog.data import UNKNOWN
from gradlog.storage.aliases import modern_result, modern_settings, old_settings
from gradlog.storage.files import DamagedFileError, read_json, write_json
from gradlog.storage.sealed import read_sealed

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

# What ``provenance.json`` holds.
PROVENANCE = {"run": str, "identity": dict, "versions": dict, "versions_from_step": dict}

EMPTY: Mapping[str, Any] = MappingProxyType({})


class WorkdirError(ValueError):
    """A workdir that cannot be used as asked."""


@dataclass(frozen=True)
class Workdir:
    """Paths inside one run's folder.

    Attributes:
      root: the folder.
      advice: what to do where it turns out to be another experiment's.
    """

    root: Path
    advice: str = "choose another --workdir"

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
        return self.root / "checkpoints"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics.jsonl"

    def samples(self, step: int, settings: dict) -> Path:
        """The folder for samples of a step: its own, or one inside for further settings."""
        base = self.root / "samples" / str(step)
        return base / digest(settings) if has_other_settings(base, settings) else base

    def exists(self) -> bool:
        """Whether there is a configuration to open it by."""
        return self.config.is_file()

    @property
    def run(self) -> str:
        """What tells this run's checkpoints from another's; '' before it is claimed."""
        try:
            found = read_json(self.provenance)["run"]
        except (OSError, ValueError, LookupError, TypeError):  # ``check`` complains of it
            return ""
        return found if isinstance(found, str) else ""

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that must never change here, by dotted key; none before it is claimed.

        Raises:
          WorkdirError: whose it is cannot be told.
        """
        return self._known()["identity"] if self._is_begun() else {}

    def claim(
        self, config: dict, identity: dict, step: int = 0, younger: Mapping[str, Any] = EMPTY
    ) -> None:
        """Makes the folder this experiment's, or finds that it is, before training goes on.

        Args:
          config: the resolved configuration, written to the folder.
          identity: the settings that must never change in a workdir, by dotted key.
          step: where training begins; the versions it is done with are noted from there on.
          younger: see ``check``.

        Raises:
          WorkdirError: the folder belongs to another experiment, or cannot be written.
        """
        self.check(identity, younger)
        history = self._known()["versions_from_step"] if self._is_begun() else {}
        now = versions()
        provenance = {
            "run": self.run or secrets.token_hex(8),
            "identity": identity,
            "versions": now,
            "versions_from_step": history | {str(step): now},
        }
        self._write(self.provenance, provenance)
        self._write(self.config, config)

    def restore_config(self, config: dict) -> None:
        """Writes the configuration of a folder that was checked, where it alone is lost.

        Raises:
          WorkdirError: the folder cannot be written.
        """
        if not self.exists():
            self._write(self.config, config)

    def _write(self, path: Path, value: dict) -> None:
        try:
            write_json(path, value)
        except OSError as error:
            raise WorkdirError(f"cannot write to {self.root}: {error.strerror}") from error

    def check(self, identity: dict, younger: Mapping[str, Any] = EMPTY) -> None:
        """Finds that the folder has this identity, or that nothing has begun there.

        Args:
          identity: settings by dotted key.
          younger: the value that stands for a key which is younger than the folder.

        Raises:
          WorkdirError: it has another one; the message names the keys. What is UNKNOWN on either
            side does not differ. Or whose it is cannot be told.
        """
        if not self._is_begun():
            return
        known = modern_settings(self._known()["identity"])
        identity = _as_stored(identity)
        known = {k: younger[k] for k in identity.keys() & younger.keys()} | known
        differing = [
            k
            for k in sorted(known | identity)
            if known.get(k) != identity.get(k) and UNKNOWN not in (known.get(k), identity.get(k))
        ]
        if differing:
            changes = "; ".join(
                f"{k} is {known.get(k)!r} there, {identity.get(k)!r} here" for k in differing
            )
            raise WorkdirError(
                f"{self.root} belongs to another experiment: {changes}; {self.advice}"
            )

    def _is_begun(self) -> bool:
        """Whether something is here that is some experiment's."""
        stored = self.checkpoints.is_dir() and any(self.checkpoints.iterdir())
        return stored or self.config.exists() or self.provenance.exists()

    def _known(self) -> dict[str, Any]:
        """The contents of ``provenance.json``.

        Raises:
          WorkdirError: it is not there, or is something else.
        """
        try:
            found = read_json(self.provenance)
            for name, kind in PROVENANCE.items():
                if not isinstance(found[name], kind):
                    raise TypeError(f"its {name} is no {kind.__name__}")
        except FileNotFoundError as error:
            raise WorkdirError(
                f"{self.root} has no {self.provenance.name}, so whose workdir this is cannot be "
                f"told; put a copy of that file there, or {self.advice}"
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WorkdirError(
                f"{self.provenance} cannot be read, so whose workdir this is cannot be told "
                f"({type(error).__name__}: {error}); put a copy of it there, or {self.advice}"
            ) from error
        return found

    def differences(self, step: int) -> Path:
        """Paired differences between the estimators of a step."""
        return self.root / "eval" / str(step) / "differences.json"

    def over_training(self, settings: dict) -> Path:
        """Bits over the steps of a training: free, damaged, or with these settings."""
        path = self.root / "eval" / "over_training.json"
        try:
            found = modern_result(read_sealed(path)) if path.exists() else {}
            others = bool(found) and found.get("settings") != _as_stored(settings)
        except ValueError:  # what it held can be had again from the results
            others = False
        return path.with_name(f"{path.stem}-{digest(settings)}.json") if others else path

    def comparison(self, folders: list[Path]) -> Path:
        """Paired differences between the results in these folders."""
        return self.root / "compare" / f"{digest([str(path.resolve()) for path in folders])}.json"

    def result(self, step: int, estimator: str, settings: dict) -> Path:
        """The folder for a result: free, or holding a result of just these settings."""
        return free_or_own(self.root / "eval" / str(step) / estimator, settings)

    def classification(self, step: int, estimator: str, settings: dict) -> Path:
        """The folder for classes by likelihood: free, or holding those of just these settings."""
        return free_or_own(self.root / "classify" / str(step) / estimator, settings)

    def encodings(self, step: int, settings: dict) -> Path:
        """The folder for latents of a step: free, or holding those of just these settings."""
        return free_or_own(self.root / "encodings" / str(step), settings)

    def quality(self, step: int | str, features: str, settings: dict) -> Path:
        """The folder for the quality of samples: free, or holding a result of these settings."""
        return free_or_own(self.root / "quality" / str(step) / features, settings)

    def kept(self, name: str, settings: dict) -> Path:
        """An archive of what took long to compute for the quality of samples."""
        return self.root / "quality" / "kept" / f"{name}-{digest(settings)}.npz"


def free_or_own(folder: Path, settings: dict) -> Path:
    """Return the folder, or one beside it where it holds a result of other settings."""
    if not has_other_settings(folder, settings):
        return folder
    beside = folder.with_name(f"{folder.name}-{digest(settings)}")
    older = folder.with_name(f"{folder.name}-{digest(old_settings(settings))}")
    return older if older.exists() and not beside.exists() else beside


def has_other_settings(folder: Path, settings: dict) -> bool:
    """Whether a folder holds a result that was made with other settings.

    Raises:
      WorkdirError: it cannot be told with which.
    """
    path = folder / "settings.json"
    try:
        return path.exists() and modern_settings(read_json(path)) != _as_stored(settings)
    except DamagedFileError as error:
        raise WorkdirError(f"{error}; move {folder} away, and it is made again") from error


def _as_stored(value: Any) -> Any:
    """As JSON gives it back."""
    return json.loads(json.dumps(value))


def digest(value: Any) -> str:
    """Eight hexadecimal digits that tell values apart."""
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a number."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **found}


def digest_arrays(tree: Any) -> str:
    """Sixteen hexadecimal digits of the contents of a tree of arrays."""
    total = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.asarray(leaf)
        total.update(f"{jax.tree_util.keystr(path)} {array.shape} {array.dtype}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()[:16]
