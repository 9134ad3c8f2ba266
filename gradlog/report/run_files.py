"""What lies in a run's folder, read once for all sections of its page."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from gradlog.data import Dataset
from gradlog.evaluation.results import PER_IMAGE, RESULT, SETTINGS, Result, load_result, whole
from gradlog.experiment.build import load_dataset
from gradlog.experiment.keys import flat
from gradlog.experiment.saved import get_config
from gradlog.report.blocks import Block
from gradlog.report.comparable import comparable
from gradlog.report.reading import attempt
from gradlog.storage import (
    Checkpoints,
    DamagedFileError,
    Workdir,
    read_json,
    read_sealed,
    scan_metrics,
)

Json = dict[str, Any]


@dataclass(frozen=True)
class RunFiles:
    """A run's folder; everything is read when it is asked for, and nothing is written.

    Attributes:
      root: the folder, as its user names it.
      load: where the data come from.
      prefix: of the ids of its charts, where a page has several runs.
    """

    root: Path
    load: Callable[[ConfigDict], Dataset] = load_dataset
    prefix: str = ""

    @property
    def workdir(self) -> Workdir:
        """The names of its files."""
        return Workdir(self.root)

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.root.name or str(self.root.resolve())

    @cached_property
    def read_config(self) -> tuple[ConfigDict | None, list[Block]]:
        """Its configuration, or why there is none."""
        if not self.workdir.exists():
            return None, []
        return attempt(lambda: get_config(str(self.workdir.config)))

    @property
    def config(self) -> ConfigDict | None:
        """Its configuration, if it can be read."""
        return self.read_config[0]

    @cached_property
    def provenance(self) -> Json:
        """Identity and versions; empty where they cannot be read."""
        found, _ = attempt(lambda: dict(read_json(self.workdir.provenance)))
        return found or {}

    @cached_property
    def metrics(self) -> tuple[list[Json], list[str]]:
        """The records of ``metrics.jsonl``, and what is wrong with it."""
        found, _ = attempt(lambda: scan_metrics(self.workdir.metrics))
        return found or ([], ["it cannot be read"])

    @cached_property
    def steps(self) -> list[int]:
        """Steps of which there is a checkpoint."""
        return attempt(Checkpoints(self.workdir.checkpoints).steps)[0] or []

    @property
    def step(self) -> int:
        """The newest step of which something is known."""
        logged = [record["step"] for record in self.metrics[0][-1:]]
        return max([*self.steps, *logged], default=0)

    @cached_property
    def read_results(self) -> tuple[list[Result], list[Block]]:
        """Every result of an evaluation, by step and estimator, and those that are damaged."""
        results, notes = [], []
        for folder in self.folders("eval", RESULT):
            result, complaints = attempt(lambda folder=folder: load_result(folder))
            results += [result] if result else []
            notes += complaints
        return sorted(results, key=self._place), notes

    def _place(self, result: Result) -> tuple[int, int, str]:
        """By step, estimators in the order of the configuration."""
        name, known = result.summary["estimator"], self.estimators
        order = known.index(name) if name in known else len(known)
        return result.summary["step"], order, result.folder.name

    @property
    def results(self) -> list[Result]:
        """Every result that can be read."""
        return self.read_results[0]

    def folders(self, room: str, result: str) -> list[Path]:
        """The folders ``room/STEP/NAME`` in which there is a finished result."""
        return [path.parent for path in self.files(f"{room}/*/*/{result}")]

    def files(self, pattern: str) -> list[Path]:
        """Files in the order of their names, numbers by size."""
        return sorted(self.root.glob(pattern), key=lambda path: _order(path.parts))

    @staticmethod
    def sealed(path: Path) -> Json:
        """A sealed file.

        Raises:
          DamagedFileError: it is not as it was written.
        """
        try:
            return read_sealed(path)
        except (OSError, ValueError) as error:
            raise DamagedFileError(f"{path} is damaged ({error})") from error

    @staticmethod
    def per_image(result: Result) -> dict[str, np.ndarray]:
        """What is known of each image of a result."""
        with whole(result.folder, "eval"), np.load(result.folder / PER_IMAGE) as found:
            return {name: found[name] for name in found.files}

    @staticmethod
    def settings(result: Result) -> Json:
        """All that a result depends on, by dotted key."""
        return read_json(result.folder / SETTINGS)

    @cached_property
    def read_dataset(self) -> tuple[Dataset | None, list[Block]]:
        """The data that the run is of, if they are there."""
        config = self.config
        if config is None:
            return None, []
        return attempt(lambda: self.load(config), "the data set cannot be had")

    @property
    def headline(self) -> Result | None:
        """The lowest bits/dim of those that the run is judged by."""
        return min(self.judged, key=_bits, default=None)

    @property
    def judged(self) -> list[Result]:
        """Those of ``comparable`` on the most images, by the first estimator that has one."""
        found = {
            name: kept
            for name, results in self.comparable.items()
            if (kept := [r for r in results if _bits(r) is not None])
        }
        most = max((len(kept[0].ok) for kept in found.values()), default=0)
        names = [name for name, kept in found.items() if len(kept[0].ok) == most]
        judge = next((name for name in self.estimators if name in names), min(names, default=""))
        return found.get(judge, [])

    @cached_property
    def comparable(self) -> dict[str, list[Result]]:
        """By estimator its results with one and the same settings, whose steps can be compared.

        Of several settings those on the most images, of these the ones nearest to the run's own.
        """
        return comparable(self.results, dict(flat(self.config)) if self.config else {})

    @property
    def estimators(self) -> tuple[str, ...]:
        """Those of the configuration, by the first of which the run is judged."""
        config = self.config
        if config is None:
            return ()
        # A comma-separated list on the command line arrives as one string.
        listed = [name.strip() for entry in config.eval.estimators for name in entry.split(",")]
        return tuple(listed) or (config.likelihood.name,)


def _bits(result: Result) -> Any:
    return result.summary["bits_per_dim"]


def _order(parts: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdecimal() else (0, part) for part in parts)
