"""The page of a sweep."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from ml_collections import ConfigDict

from gradlog.data import Dataset
from gradlog.evaluation.uncertainty import LEVEL
from gradlog.experiment.build import load_prepared
from gradlog.experiment.keys import keys
from gradlog.report.charts import render_svg
from gradlog.report.formatting import (
    NOTHING,
    format_command,
    format_interval,
    format_number,
    format_seconds,
    format_with_error,
)
from gradlog.report.likelihood_sections import show_account
from gradlog.report.page import (
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
    Page,
    Paragraph,
    Section,
    Table,
    Tile,
)
from gradlog.report.provenance_sections import describe_config, show_config_differences
from gradlog.report.run_folder import RunFolder, attempt
from gradlog.report.training_sections import show_curves, show_newest_samples
from gradlog.sweeps import Plan, SweepFolder, SweepResults, read_plan, read_sweep
from gradlog.sweeps.display import draw_settings, list_remarks
from gradlog.sweeps.runs import DONE, FAILED


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
    def read_results(self) -> tuple[SweepResults | None, list[Block]]:
        """The results so far, or a note about the error."""
        return attempt(lambda: read_sweep(self.root))

    @property
    def results(self) -> SweepResults | None:
        """The results so far if they can be read."""
        return self.read_results[0]

    @cached_property
    def plan(self) -> Plan | None:
        """The plan if it can be read."""
        if self.results:
            return self.results.plan
        return attempt(lambda: read_plan(self.folder.plan))[0]


def make_sweep_page(files: SweepFiles) -> Page:
    """Return the page of a sweep. Files that cannot be read become notes in their sections."""
    sections = []
    for title, show in SECTIONS.items():
        blocks, notes = attempt(lambda show=show: show(files), "this part cannot be shown")
        if blocks or notes:
            sections.append(Section(title, notes if blocks is None else blocks))
    plan = files.plan
    return Page(
        name=files.root.name or str(files.root.resolve()),
        kind="sweep",
        about=plan.title or plan.file if plan else "a plan that cannot be read",
        tiles=_show_tiles(files.results) if files.results else [],
        sections=sections,
        footer=f"{files.root}, {datetime.now():%Y-%m-%d %H:%M}",
    )


def _show_tiles(results: SweepResults) -> list[Tile]:
    """Show the best setting, the number of settings, and the number of finished runs."""
    tiles = []
    if results.settings:
        best = results.settings[0]
        compared = len(results.select(best.estimator))
        details = (
            best.label,
            f"95 %: {format_interval(best.interval)}, of {best.error_of}",
            f"{best.estimator}, {' '.join(_count(len(best.seeds), 'seed'))}, "
            f"{best.num_images} test images",
        )
        bits, error = format_number(best.bits_per_dim), format_number(best.standard_error)
        tiles += [
            Tile("lowest bits/dim", bits, f"± {error}", details),
            Tile(
                "compared", *_count(compared, "setting"), (f"by {', '.join(results.estimators)}",)
            ),
        ]
    else:
        tiles.append(Tile("lowest bits/dim", NOTHING, details=("no run is finished",)))
    states = list({row.name: row.status for row in results.runs}.values())
    tiles.append(Tile("done", str(states.count(DONE)), f"of {len(states)} runs"))
    if FAILED in states:
        tiles.append(Tile("failed", *_count(states.count(FAILED), "run")))
    return tiles


def show_settings(files: SweepFiles) -> list[Block]:
    """Show all settings as a chart and as a table for each estimator, the best first."""
    results, notes = files.read_results
    if results is None:
        return notes
    if not results.settings:
        command = _format_sweep_command(files, results.plan)
        return [Missing("No run is finished yet. The same command continues the sweep.", command)]
    columns = (
        ("setting", TEXT),
        ("bits/dim ± s.e.", NUMBER),
        ("minus the best ± s.e.", NUMBER),
        ("verdict", TEXT),
        ("95 % interval", NUMBER),
        ("of the difference", NUMBER),
        ("s.e. of images, of seeds", NUMBER),
        ("images", NUMBER),
        ("seeds", NUMBER),
    )
    blocks: list[Block] = []
    for name in results.estimators:
        settings = results.select(name)
        drawn = dataclasses.replace(results, settings=settings)
        chart = Chart(
            f"Settings by {name}, and their paired differences to the best",
            render_svg(lambda drawn=drawn: draw_settings(drawn, stacked=True)),
            f"Dots with {LEVEL:.0%} intervals of {len(settings)} settings. The best is "
            f"{settings[0].label} with {format_number(settings[0].bits_per_dim)} bits per "
            "dimension.",
        )
        text = " ".join(f"{line[0].upper()}{line[1:]}." for line in list_remarks(settings))
        rows = [
            (
                row.label,
                format_with_error(row.bits_per_dim, row.standard_error),
                _format_difference(row.difference, row.difference_standard_error),
                row.verdict,
                format_interval(row.interval),
                format_interval(row.difference_interval),
                f"{format_number(row.images_error)}, {format_number(row.seeds_error)}",
                row.images,
                ", ".join(map(str, row.seeds)),
            )
            for row in settings
        ]
        table = Table(f"Settings by {name}", columns, rows, [0])
        blocks += [Columns([chart, Paragraph(text)]), table]
    return blocks


def show_failures(files: SweepFiles) -> list[Block]:
    """Show the end of the log of each failed run."""
    blocks: list[Block] = []
    for row in files.results.runs if files.results else ():
        if row.status == FAILED:
            lines, notes = attempt(lambda row=row: files.folder.last_log_lines(row.name))
            blocks += [Note(f"{row.name}: {row.failure}"), *notes]
            blocks += [Lines("\n".join(lines), "The end of its log")] if lines else []
    return blocks


def show_runs(files: SweepFiles) -> list[Block]:
    """Show a row for each run and estimator, with the progress of unfinished runs."""
    if files.results is None:
        return []
    columns = (
        *((key, CODE) for key in files.results.keys),
        ("bits/dim ± s.e.", NUMBER),
        ("minus the best ± s.e.", NUMBER),
        ("estimator", CODE),
        ("state", TEXT),
        ("step", NUMBER),
        ("training", NUMBER),
        ("evaluation", NUMBER),
    )
    rows = []
    for row in files.results.runs:
        bits = difference = ""
        if row.bits_per_dim is not None:
            bits = format_with_error(row.bits_per_dim, row.standard_error)
            difference = _format_difference(row.difference, row.difference_standard_error)
        cells = (
            *(str(row.value(key)) for key in files.results.keys),
            bits,
            difference,
            row.estimator,
            row.status,
            "" if row.step is None else str(row.step),
            format_seconds(row.train_seconds),
            format_seconds(row.eval_seconds),
        )
        rows.append(cells)
    return [Table("Runs (standard errors over the images of one run)", columns, rows)]


def show_each_run(files: SweepFiles) -> list[Block]:
    """Show a short version of each run's page in a fold."""
    if files.plan is not None:
        names = [run.name for run in files.plan.runs]
    else:
        names = sorted(path.parent.name for path in files.folder.runs.glob("*/config.json"))
    blocks: list[Block] = []
    for name in names:
        folder = RunFolder(files.folder.workdir(name), files.load)
        shown, notes = attempt(lambda folder=folder: _show_run(folder))
        title = name
        if folder.headline:
            summary = folder.headline.summary
            bits = format_with_error(summary["bits_per_dim"], summary["standard_error"])
            title = f"{name}: {bits} bits/dim"
        blocks.append(Fold(title, notes if shown is None else shown))
    return blocks


def _show_run(folder: RunFolder) -> list[Block]:
    result = folder.headline
    charts: list[Block] = []
    if result and result.summary["account"]:
        charts.append(show_account(result))
    others: list[Block] = []
    for block in show_curves(folder):
        if isinstance(block, Columns):
            charts.append(block.blocks[0])
        else:
            others.append(block)
    return [
        Paragraph(describe_config(folder)),
        *folder.read_results[1],
        *others,
        Columns(charts),
        *show_newest_samples(folder),
    ]


def show_plan(files: SweepFiles) -> list[Block]:
    """Show the sweep's file, its keys with their meaning, and the base configuration."""
    plan = files.plan
    if plan is None:
        return []
    meanings, rows = keys(), []
    for key in plan.keys:
        values = [repr(run.overrides[key]) for run in plan.runs if key in run.overrides]
        meaning = meanings[key].meaning if key in meanings else ""
        rows.append((key, ", ".join(dict.fromkeys(values)), meaning))
    columns = (("key", CODE), ("values", CODE), ("meaning", TEXT))
    base = show_config_differences(ConfigDict(dict(plan.config)))
    return [
        Definitions([("file", plan.file), ("runs", str(len(plan.runs)))]),
        Table("Keys that are swept", columns, rows),
        Fold("The base configuration", [base]),
        Lines(_format_sweep_command(files, plan), "The command. It does not repeat finished runs"),
    ]


SECTIONS: dict[str, Callable[[SweepFiles], list[Block]]] = {
    "Settings": show_settings,
    "Failed runs": show_failures,
    "Runs": show_runs,
    "Each run": show_each_run,
    "Plan": show_plan,
}


def _format_sweep_command(files: SweepFiles, plan: Plan) -> str:
    return format_command(files.root, "--mode=sweep", f"--sweep={plan.file}")


def _format_difference(value: float | None, error: float | None) -> str:
    return format_number(value) if error is None else format_with_error(value, error)


def _count(number: int, noun: str) -> tuple[str, str]:
    """Return a number and its noun in the singular or the plural."""
    return str(number), noun if number == 1 else f"{noun}s"
