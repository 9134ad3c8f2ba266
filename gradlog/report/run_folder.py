"""The files of a run, which the sections of its page share. Damaged files become notes."""

import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from ml_collections import ConfigDict

from gradlog.aliases import modern_result, modern_settings
from gradlog.data import Dataset
from gradlog.evaluation.bits_per_dim import RESULT, SETTINGS, Result, common_settings, load_result
from gradlog.experiment.build import load_prepared
from gradlog.experiment.keys import flatten
from gradlog.experiment.loading import load_saved_config
from gradlog.report.page import Block, Note
from gradlog.storage import (
    Checkpoints,
    DamagedFileError,
    Workdir,
    read_json,
    read_sealed,
    scan_metrics,
)

Read = TypeVar("Read")
# The errors of reading a file that is damaged or holds something unexpected.
_READ_ERRORS = (
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
    """Return what a function reads, or None with a note about the error.

    Args:
      read: the function.
      where: what it reads, for errors that do not name it.
    """
    try:
        return read(), []
    except _READ_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, KeyError):
            reason = f"{reason} is missing"
        return None, [Note(f"{where}: {reason}" if where else reason)]


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run. Files are read on first access, and nothing is written.

    Attributes:
      root: the folder, as the user names it.
      load: loads the data set of a configuration.
    """

    root: Path
    load: Callable[[ConfigDict], Dataset] = load_prepared

    @property
    def workdir(self) -> Workdir:
        """The paths of its files."""
        return Workdir(self.root)

    @cached_property
    def read_config(self) -> tuple[ConfigDict | None, list[Block]]:
        """The configuration, or a note about the error; None without a note if there is none."""
        if not self.workdir.exists():
            return None, []
        return attempt(lambda: load_saved_config(self.workdir.config))

    @property
    def config(self) -> ConfigDict | None:
        """The configuration if it can be read."""
        return self.read_config[0]

    @cached_property
    def metrics(self) -> tuple[list[dict[str, Any]], list[str]]:
        """The records of ``metrics.jsonl``, and the problems of this file."""
        read, _ = attempt(lambda: scan_metrics(self.workdir.metrics, times=True))
        return read or ([], ["it cannot be read"])

    @cached_property
    def steps(self) -> list[int]:
        """The steps of the checkpoints."""
        return attempt(Checkpoints(self.workdir.checkpoints).steps)[0] or []

    @cached_property
    def read_results(self) -> tuple[list[Result], list[Block]]:
        """All readable results sorted by step and estimator, and notes about damaged ones."""
        results, notes = [], []
        for path in self.glob(f"eval/*/*/{RESULT}"):
            result, problems = attempt(lambda path=path: load_result(path.parent))
            results += [result] if result else []
            notes += problems

        def place(result: Result) -> tuple[int, int, str]:
            name, known = result.summary["estimator"], self.estimators
            order = known.index(name) if name in known else len(known)
            return result.summary["step"], order, result.folder.name

        return sorted(results, key=place), notes

    @property
    def results(self) -> list[Result]:
        """All readable results."""
        return self.read_results[0]

    @property
    def estimators(self) -> tuple[str, ...]:
        """The estimators of the configuration. The first one provides the headline."""
        if self.config is None:
            return ()
        # A list on the command line arrives as one string with commas.
        listed = [name.strip() for each in self.config.eval.estimators for name in each.split(",")]
        return tuple(listed) or (self.config.likelihood.name,)

    @cached_property
    def comparable(self) -> dict[str, list[Result]]:
        """Return for each estimator the results with equal settings, whose steps are comparable.

        Among several groups of equal settings the order of preference is: a group that has a
        number, the most images, the fewest settings that differ from the run's own, the most steps.
        """
        own = json.loads(json.dumps(dict(flatten(self.config)) if self.config else {}))
        groups: dict[tuple[str, str], list[Result]] = {}
        for result in self.results:
            settings = json.dumps(common_settings(result.folder), sort_keys=True)
            groups.setdefault((result.summary["estimator"], settings), []).append(result)

        def preference(group: list[Result]) -> tuple[bool, int, int, int]:
            settings = common_settings(group[0].folder)
            foreign = sum(own.get(key, value) != value for key, value in settings.items())
            has_number = any(result.summary["bits_per_dim"] is not None for result in group)
            return has_number, len(group[0].ok), -foreign, len(group)

        best: dict[str, list[Result]] = {}
        for (name, _), group in groups.items():
            if name not in best or preference(group) > preference(best[name]):
                best[name] = group
        return best

    @property
    def headline_candidates(self) -> list[Result]:
        """The comparable results on the most images, by the first estimator that has one."""
        numbers = {
            name: kept
            for name, results in self.comparable.items()
            if (kept := [r for r in results if r.summary["bits_per_dim"] is not None])
        }
        most = max((len(kept[0].ok) for kept in numbers.values()), default=0)
        names = [name for name, kept in numbers.items() if len(kept[0].ok) == most]
        first = next((name for name in self.estimators if name in names), min(names, default=""))
        return numbers.get(first, [])

    @property
    def headline(self) -> Result | None:
        """The result with the lowest bits/dim among ``headline_candidates``."""
        candidates = self.headline_candidates
        return min(candidates, key=lambda result: result.summary["bits_per_dim"], default=None)

    @cached_property
    def read_dataset(self) -> tuple[Dataset | None, list[Block]]:
        """The run's data set, or a note about the error."""
        config = self.config
        if config is None:
            return None, []
        return attempt(lambda: self.load(config), "the data set cannot be loaded")

    def glob(self, pattern: str) -> list[Path]:
        """Return files sorted by name, with numbers sorted by value."""

        def order(path: Path) -> list[tuple[int, str]]:
            return [(int(part), "") if part.isdecimal() else (0, part) for part in path.parts]

        return sorted(self.root.glob(pattern), key=order)


def load_sealed(path: Path, beside: Collection[str] = ()) -> dict[str, Any]:
    """Load a sealed file, with the names of today. Files beside it must be as it says.

    Raises:
      DamagedFileError: the file has changed since it was written.
    """
    try:
        return modern_result(read_sealed(path, beside))
    except (OSError, ValueError) as error:
        raise DamagedFileError(f"{path} is damaged ({error})") from error


def load_settings(result: Result) -> dict[str, Any]:
    """Load the settings of a result by dotted key, in today's spelling."""
    return modern_settings(read_json(result.folder / SETTINGS))


def list_differing_settings(result: Result, other: Result) -> Mapping[str, Any]:
    """Return the settings of a result that differ from those of another, by dotted key."""
    own, others = common_settings(result.folder), common_settings(other.folder)
    return {key: own.get(key) for key in others | own if own.get(key) != others.get(key)}
