"""The page of a sweep."""

from datetime import datetime

from gradlog.report.blocks import Page, Section, Tile
from gradlog.report.numbers import interval, number
from gradlog.report.reading import guarded
from gradlog.report.sections import swept
from gradlog.report.sections.swept import SweepFiles
from gradlog.sweeps.folder import DONE, FAILED

SECTIONS = {
    "Settings": swept.settings,
    "Failed runs": swept.failures,
    "Runs": swept.runs,
    "Each run": swept.single_runs,
    "Plan": swept.plan,
}


def page_of_sweep(files: SweepFiles) -> Page:
    """What the files of a sweep say; of what cannot be read a note says why."""
    sections = [Section(title, guarded(write, files)) for title, write in SECTIONS.items()]
    return Page(
        files.root.name or str(files.root.resolve()),
        "sweep",
        files.plan.title or files.plan.file if files.plan else "a plan that cannot be read",
        tiles(files),
        [section for section in sections if section.blocks],
        f"{files.root}, {datetime.now():%Y-%m-%d %H:%M}",
    )


def tiles(files: SweepFiles) -> list[Tile]:
    """The best setting, how many there are, and how many runs are done."""
    results = files.results
    if results is None:
        return []
    runs = {row.name: row.status for row in results.runs}
    states = list(runs.values())
    failed = [Tile("failed", *counted(states.count(FAILED), "run"))] if FAILED in states else []
    return [
        *_best(files),
        Tile("done", str(states.count(DONE)), f"of {len(states)} runs"),
        *failed,
    ]


def counted(count: int, noun: str) -> tuple[str, str]:
    """A number, and its noun in the singular or the plural."""
    return str(count), noun if count == 1 else f"{noun}s"


def _best(files: SweepFiles) -> list[Tile]:
    if not (files.results and files.results.settings):
        return [Tile("lowest bits/dim", "–", details=("no run is finished",))]
    best = files.results.settings[0]
    compared = len(files.results.of(best.estimator))
    seeds, names = " ".join(counted(len(best.seeds), "seed")), files.results.estimators
    return [
        Tile(
            "lowest bits/dim",
            number(best.bits_per_dim),
            f"± {number(best.standard_error)}",
            (
                best.label,
                f"95 %: {interval(best.interval)}, of {best.error_of}",
                f"{best.estimator}, {seeds}, {best.num_images} test images",
            ),
        ),
        Tile(
            "compared",
            *counted(compared, "setting"),
            (f"by {', '.join(names)}",),
        ),
    ]
