"""The page of one run."""

from collections.abc import Callable
from datetime import datetime

from gradlog.report.blocks import Block, Page, Section, Tile
from gradlog.report.numbers import interval, number, of_all, seconds
from gradlog.report.reading import attempt, guarded
from gradlog.report.run_files import RunFiles
from gradlog.report.sections import (
    bits,
    configuration,
    costs,
    differences,
    origin,
    others,
    over_training,
    single_images,
)
from gradlog.report.sections import training as trained
from gradlog.report.sections.costs import time_per_step

Write = Callable[[RunFiles], list[Block]]
SECTIONS: dict[str, Write] = {
    "Bits per dimension": bits.blocks,
    "Bits over training": over_training.blocks,
    "Paired differences": differences.blocks,
    "Single images": single_images.blocks,
    "Training curves": trained.curves,
    "Samples": trained.samples,
    "Latents": trained.latents,
    "Study": trained.study,
    "Classes": others.classes,
    "Quality of samples": others.quality,
    "Costs": costs.blocks,
    "Configuration": configuration.blocks,
    "Provenance": origin.provenance,
    "Make it again": origin.commands,
}


def page_of_run(files: RunFiles) -> Page:
    """What the files of a run say; of what cannot be read a note says why."""
    sections = [Section(title, guarded(write, files)) for title, write in SECTIONS.items()]
    return Page(
        files.name,
        "run",
        configuration.about(files),
        tiles(files),
        [section for section in sections if section.blocks],
        f"{files.root}, {datetime.now():%Y-%m-%d %H:%M}",
    )


def tiles(files: RunFiles) -> list[Tile]:
    """The numbers that come first: bits/dim, steps, held-out loss, time of a step."""
    return [
        tile
        for make in (_bits, _steps, _loss, _time)
        if (tile := attempt(lambda make=make: make(files))[0])
    ]


def _bits(files: RunFiles) -> Tile | None:
    result = files.headline
    if result is None:
        return Tile("bits/dim", "–", details=("nothing evaluated yet",))
    summary = result.summary
    compared = len(files.judged)
    lowest = f", the lowest of {compared} results" if compared > 1 else ""
    return Tile(
        "bits/dim",
        number(summary["bits_per_dim"]),
        f"± {number(summary['standard_error'])}",
        (
            f"95 %: {interval(summary.get('interval'))}",
            f"{summary['estimator']} at step {summary['step']}{lowest}",
            f"{of_all(summary['num_images'], len(summary['failed']))} test images",
        ),
    )


def _steps(files: RunFiles) -> Tile:
    config, kept = files.config, ", ".join(map(str, files.steps[-6:]))
    goal = "" if config is None else f"of {config.training.steps}"
    return Tile("steps trained", str(files.step), goal, (f"checkpoints: {kept or 'none'}",))


def _loss(files: RunFiles) -> Tile | None:
    for name, label in (("held_out_loss", "held-out loss"), ("loss", "training loss")):
        found = [record for record in files.metrics[0] if record.get(name) is not None]
        if found:
            return Tile(label, number(found[-1][name]), "nats/dim", (f"step {found[-1]['step']}",))
    return None


def _time(files: RunFiles) -> Tile | None:
    found = time_per_step(files)
    return (
        None if found is None else Tile("time of a step", seconds(found), details=("the median",))
    )
