"""The files of a sweep, and how far each of its runs is."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradlog.storage import read_json, write_json
from gradlog.supervisor import newest_checkpoint

_LAST_LINES = 20  # of a log, where its run has failed
DONE, TRAINED, BEGUN, FAILED, WAITING = "done", "trained", "begun", "failed", "waiting"


@dataclass(frozen=True)
class Record:
    """What is known of a run beside its workdir.

    Attributes:
      settings: digest of the configuration whose evaluation began last; '' before that.
      results: folders of the results, in the workdir, in the order of the estimators.
      train_seconds: of wall clock, of all attempts but those that were killed: one that is told to
        leave is gone on with.
      eval_seconds: the same of the evaluation with these settings.
      failure: how the last attempt ended, where that was badly.
    """

    settings: str = ""
    results: tuple[str, ...] = ()
    train_seconds: float = 0.0
    eval_seconds: float = 0.0
    failure: str = ""

    def changed(self, **fields: Any) -> "Record":
        """The same with other values."""
        return dataclasses.replace(self, **fields)


@dataclass(frozen=True)
class SweepFolder:
    """Paths inside a sweep's folder."""

    root: Path

    @property
    def plan(self) -> Path:
        """What is swept."""
        return self.root / "sweep.json"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def jobs(self) -> Path:
        """What submitit writes."""
        return self.root / "slurm"

    def result(self, suffix: str) -> Path:
        """``results.csv``, ``results.json``, ``results.png``."""
        return self.root / f"results.{suffix}"

    def workdir(self, name: str) -> Path:
        return self.runs / name

    def config(self, name: str) -> Path:
        """A run's whole configuration, from which its processes read it."""
        return self.runs / f"{name}.config.json"

    def log(self, name: str) -> Path:
        """What a run's processes say."""
        return self.runs / f"{name}.log"

    def summary(self, name: str) -> Path:
        """What a run's evaluation found, as it tells it."""
        return self.runs / f"{name}.eval.json"

    def last_lines(self, name: str) -> list[str]:
        """The end of a run's log, without empty lines; none where there is no log."""
        log = self.log(name)
        lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
        return [line for line in lines if line.strip()][-_LAST_LINES:]

    def job(self, name: str) -> Path:
        """Which job of a cluster a run is."""
        return self.runs / f"{name}.job.json"

    def record(self, name: str) -> Record:
        """What is known of a run; of one that has not begun, nothing."""
        path = self._record(name)
        if not path.is_file():
            return Record()
        found = read_json(path)
        return Record(**found | {"results": tuple(found["results"])})

    def keep(self, name: str, record: Record) -> None:
        """Writes what is known of a run."""
        write_json(self._record(name), dataclasses.asdict(record))

    def _record(self, name: str) -> Path:
        return self.runs / f"{name}.json"

    def results(self, name: str) -> list[Path]:
        """The folders of a run's results."""
        return [self.workdir(name) / each for each in self.record(name).results]

    def step(self, name: str) -> int | None:
        """Of the newest checkpoint of a run."""
        return newest_checkpoint(self.workdir(name))

    def is_trained(self, name: str, steps: int) -> bool:
        """Whether a run's training has ended: its curves are the last that it writes."""
        step = self.step(name)
        return step is not None and step >= steps and (self.workdir(name) / "curves.png").is_file()

    def status(self, name: str, steps: int, settings: str) -> str:
        """How far a run is.

        Args:
          name: of the run.
          steps: of its training.
          settings: the digest of its configuration.
        """
        record = self.record(name)
        there = [(folder / "bits_per_dim.json").is_file() for folder in self.results(name)]
        if record.settings == settings and there and all(there):
            return DONE
        if record.failure:
            return FAILED
        if self.is_trained(name, steps):
            return TRAINED
        return WAITING if self.step(name) is None else BEGUN
