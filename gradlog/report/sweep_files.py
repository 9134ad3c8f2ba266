"""The files of a sweep, as its page shows them. Damaged files become notes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from ml_collections import ConfigDict

from gradlog.data import Dataset
from gradlog.data.dataset import BITS_PER_DIM
from gradlog.experiment.build import load_prepared
from gradlog.experiment.keys import keys
from gradlog.report.formatting import format_command
from gradlog.report.run_folder import RunFolder, attempt
from gradlog.sweeps import Plan, RunRow, SweepFolder, SweepResults, read_plan, read_sweep


@dataclass(frozen=True)
class SweepFiles:
    """The files of a sweep. They are read on first access, and nothing is written."""

    root: Path
    load: Callable[[ConfigDict], Dataset] = load_prepared

    @property
    def folder(self) -> SweepFolder:
        """The paths of its files."""
        return SweepFolder(self.root)

    @cached_property
    def read_results(self) -> tuple[SweepResults | None, list[str]]:
        """The results so far, or the problem of reading them."""
        return attempt(lambda: read_sweep(self.root))

    @property
    def results(self) -> SweepResults | None:
        """The results so far if they can be read."""
        return self.read_results[0]

    @property
    def unit(self) -> str:
        """The name of the unit of the results' bits."""
        return self.results.unit if self.results else BITS_PER_DIM

    @cached_property
    def plan(self) -> Plan | None:
        """The plan if it can be read."""
        if self.results:
            return self.results.plan
        return attempt(lambda: read_plan(self.folder.plan))[0]

    @property
    def about(self) -> str:
        """A description in one line."""
        plan = self.plan
        return plan.title or plan.file if plan else "a plan that cannot be read"

    @property
    def command(self) -> str:
        """The command that runs the sweep."""
        assert self.plan is not None
        return format_command(self.root, "--mode=sweep", f"--sweep={self.plan.file}")

    @property
    def base_config(self) -> ConfigDict:
        """The configuration that all runs override."""
        assert self.plan is not None
        return ConfigDict(dict(self.plan.config))

    @property
    def states(self) -> list[str]:
        """The state of each run."""
        rows = self.results.runs if self.results else ()
        return list({row.name: row.status for row in rows}.values())

    @property
    def key_columns(self) -> list[tuple[str, str]]:
        """A column for each key that is swept."""
        return [(key, "code") for key in self.plan.keys] if self.plan else []

    def swept_values(self, row: RunRow) -> list[str]:
        """Return the values of these keys in a run."""
        return [str(row.value(key)) for key, _ in self.key_columns]

    @property
    def swept_keys(self) -> list[tuple[str, str, str]]:
        """The keys that are swept, each with its values and its meaning."""
        known, rows = keys(), []
        for key, _ in self.key_columns:
            runs = self.plan.runs if self.plan else ()
            values = [repr(run.overrides[key]) for run in runs if key in run.overrides]
            meaning = known[key].meaning if key in known else ""
            rows.append((key, ", ".join(dict.fromkeys(values)), meaning))
        return rows

    @property
    def run_folders(self) -> list[RunFolder]:
        """The folder of each run."""
        if self.plan is not None:
            names = [run.name for run in self.plan.runs]
        else:
            names = sorted(path.parent.name for path in self.folder.runs.glob("*/config.json"))
        return [RunFolder(self.folder.workdir(name), self.load) for name in names]

    def read_log(self, name: str) -> tuple[list[str] | None, list[str]]:
        """Return the end of a run's log, or the problem of reading it."""
        return attempt(partial(self.folder.last_log_lines, name))
