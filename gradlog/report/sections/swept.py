"""The parts of a sweep's page: settings, runs, failures, the plan."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ml_collections import ConfigDict

from gradlog.data import Dataset
from gradlog.evaluation.results import Result
from gradlog.evaluation.uncertainty import LEVEL
from gradlog.experiment.build import load_dataset
from gradlog.experiment.keys import keys
from gradlog.report.blocks import (
    CODE,
    NUMBER,
    TEXT,
    Block,
    Chart,
    Columns,
    Definitions,
    Fold,
    Lines,
    Missing,
    Note,
    Paragraph,
    Table,
)
from gradlog.report.commands import command
from gradlog.report.numbers import interval, number, seconds, uncertain
from gradlog.report.reading import attempt
from gradlog.report.run_files import RunFiles
from gradlog.report.sections import training
from gradlog.report.sections.bits import account_chart
from gradlog.report.sections.configuration import about, differences
from gradlog.report.svg import svg_of
from gradlog.sweeps import (
    Plan,
    RunRow,
    SettingRow,
    SweepFolder,
    SweepResults,
    read_plan,
    read_sweep,
)
from gradlog.sweeps.folder import FAILED
from gradlog.sweeps.picture import figure_of
from gradlog.sweeps.tables import remarks


@dataclass(frozen=True)
class SweepFiles:
    """A sweep's folder; everything is read when it is asked for, and nothing is written."""

    root: Path
    load: Callable[[ConfigDict], Dataset] = load_dataset

    @property
    def folder(self) -> SweepFolder:
        """The names of its files."""
        return SweepFolder(self.root)

    @cached_property
    def read(self) -> tuple[SweepResults | None, list[Block]]:
        """Its results so far, or why they cannot be read."""
        return attempt(lambda: read_sweep(self.root))

    @property
    def results(self) -> SweepResults | None:
        """Its results, if they can be read."""
        return self.read[0]

    @cached_property
    def plan(self) -> Plan | None:
        """What is swept, if that can be read."""
        return (
            self.results.plan if self.results else attempt(lambda: read_plan(self.folder.plan))[0]
        )

    @property
    def names(self) -> list[str]:
        """Of its runs, in the order of the plan."""
        if self.plan is not None:
            return [run.name for run in self.plan.runs]
        return sorted(path.parent.name for path in self.folder.runs.glob("*/config.json"))


def settings(files: SweepFiles) -> list[Block]:
    """The chart and, for each estimator, a table of all settings, the best first."""
    results, notes = files.read
    if results is None:
        return notes
    if not results.settings:
        return [
            Missing(
                "No run is finished yet; the same command goes on.", _command(files, results.plan)
            )
        ]
    return [block for name in results.estimators for block in _of_estimator(results, name)]


def _command(files: SweepFiles, plan: Plan) -> str:
    return command(files.root, "--mode=sweep", f"--sweep={plan.file}")


def _of_estimator(results: SweepResults, name: str) -> list[Block]:
    rows = results.of(name)
    told = " ".join(f"{line[0].upper()}{line[1:]}." for line in remarks(rows))
    return [
        Columns([_chart(dataclasses.replace(results, settings=rows), name), Paragraph(told)]),
        _settings_table(name, rows),
    ]


def _chart(results: SweepResults, estimator: str) -> Chart:
    best = results.settings[0]
    return Chart(
        f"Settings by {estimator}, and their paired differences to the best",
        svg_of(lambda: figure_of(results, stacked=True), f"settings-{estimator}"),
        f"Dots with {LEVEL:.0%} intervals of {len(results.settings)} settings; the best is "
        f"{best.label} with {number(best.bits_per_dim)} bits per dimension.",
    )


def _settings_table(estimator: str, rows: Sequence[SettingRow]) -> Table:
    columns = (
        *(("setting", TEXT), ("bits/dim ± s.e.", NUMBER), ("minus the best ± s.e.", NUMBER)),
        *(("verdict", TEXT), ("95 % interval", NUMBER), ("of the difference", NUMBER)),
        *(("s.e. of images, of seeds", NUMBER), ("images", NUMBER), ("seeds", NUMBER)),
    )
    return Table(f"Settings by {estimator}", columns, [_setting(row) for row in rows], [0])


def _setting(row: SettingRow) -> tuple[str, ...]:
    return (
        row.label,
        uncertain(row.bits_per_dim, row.standard_error),
        _difference(row.difference, row.difference_standard_error),
        row.verdict,
        interval(row.interval),
        interval(row.difference_interval),
        f"{number(row.images_error)}, {number(row.seeds_error)}",
        row.images,
        ", ".join(map(str, row.seeds)),
    )


def _difference(value: float | None, error: float | None) -> str:
    return number(value) if error is None else uncertain(value, error)


def runs(files: SweepFiles) -> list[Block]:
    """A row for each run and estimator; those that are not finished say how far they are."""
    if files.results is None or files.plan is None:
        return []
    columns = (
        *((key, CODE) for key in files.plan.keys),
        *(("bits/dim ± s.e.", NUMBER), ("minus the best ± s.e.", NUMBER), ("estimator", CODE)),
        *(("state", TEXT), ("step", NUMBER), ("training", NUMBER), ("evaluation", NUMBER)),
    )
    rows = [_run(files.plan, row) for row in files.results.runs]
    return [Table("Runs (errors of one run: of the images alone)", columns, rows)]


def _run(plan: Plan, row: RunRow) -> tuple[str, ...]:
    done = row.bits_per_dim is not None
    return (
        *(str(row.value(key)) for key in plan.keys),
        uncertain(row.bits_per_dim, row.standard_error) if done else "",
        _difference(row.difference, row.difference_standard_error) if done else "",
        row.estimator,
        row.status,
        "" if row.step is None else str(row.step),
        seconds(row.train_seconds),
        seconds(row.eval_seconds),
    )


def failures(files: SweepFiles) -> list[Block]:
    """The end of the log of each run that has failed; nothing where none has."""
    found: list[Block] = []
    for row in files.results.runs if files.results else ():
        if row.status == FAILED:
            text, notes = attempt(lambda row=row: _end(files.folder, row.name))
            found += [Note(f"{row.name}: {row.failure}"), *notes]
            found += [Lines(text, "The end of its log")] if text else []
    return found


def _end(folder: SweepFolder, name: str) -> str:
    return "\n".join(folder.last_lines(name))


def plan(files: SweepFiles) -> list[Block]:
    """The sweep's file, its keys with their meaning, and the base configuration."""
    if files.plan is None:
        return []
    meanings, found = keys(), files.plan
    rows = [
        (
            key,
            ", ".join(dict.fromkeys(_values(found, key))),
            meanings[key].meaning if key in meanings else "",
        )
        for key in found.keys
    ]
    return [
        Definitions([("file", found.file), ("runs", str(len(found.runs)))]),
        Table("Keys that are swept", (("key", CODE), ("values", CODE), ("meaning", TEXT)), rows),
        Fold("The base configuration", [differences(ConfigDict(dict(found.config)))]),
        Lines(_command(files, found), "The command, which repeats nothing that is done"),
    ]


def _values(found: Plan, key: str) -> list[str]:
    return [repr(run.overrides[key]) for run in found.runs if key in run.overrides]


def single_runs(files: SweepFiles) -> list[Block]:
    """Each run in short, shown when asked for."""
    return [_in_short(files, name, i) for i, name in enumerate(files.names)]


def _in_short(files: SweepFiles, name: str, number_: int) -> Fold:
    run = RunFiles(files.folder.workdir(name), files.load, f"run{number_}-")
    blocks, notes = attempt(lambda: _blocks_of(run))
    result = run.headline
    bits = f": {uncertain(*_value(result))} bits/dim" if result else ""
    return Fold(f"{name}{bits}", notes if blocks is None else blocks)


def _value(result: Result) -> tuple[float, float]:
    return result.summary["bits_per_dim"], result.summary["standard_error"]


def _blocks_of(run: RunFiles) -> list[Block]:
    result = run.headline
    account = [account_chart(run, result)] if result and result.summary["account"] else []
    curves = training.curves(run)
    charts = [block for block in curves if isinstance(block, Columns)]
    return [
        Paragraph(about(run)),
        *run.read_results[1],
        *(block for block in curves if not isinstance(block, Columns)),
        Columns([*account, *(block.blocks[0] for block in charts)]),
        *training.newest_pictures(run),
    ]
