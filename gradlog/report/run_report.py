"""The page of one run."""

from collections.abc import Callable
from datetime import datetime

from gradlog.report.formatting import (
    NOTHING,
    format_count,
    format_interval,
    format_number,
    format_seconds,
)
from gradlog.report.likelihood_sections import show_bits, show_differences, show_over_training
from gradlog.report.page import Block, Page, Section, Tile
from gradlog.report.provenance_sections import (
    describe_config,
    show_commands,
    show_configuration,
    show_provenance,
)
from gradlog.report.run_folder import RunFolder, attempt
from gradlog.report.training_sections import (
    measure_timing,
    show_classes,
    show_costs,
    show_curves,
    show_latents,
    show_quality,
    show_samples,
    show_schedule,
    show_single_images,
    show_study,
)

# The sections in their order on the page. A section without blocks is left out.
SECTIONS: dict[str, Callable[[RunFolder], list[Block]]] = {
    "Bits per dimension": show_bits,
    "Bits over training": show_over_training,
    "Paired differences": show_differences,
    "Single images": show_single_images,
    "Training curves": show_curves,
    "Learned process": show_schedule,
    "Samples": show_samples,
    "Latents": show_latents,
    "Study": show_study,
    "Classes": show_classes,
    "Quality of samples": show_quality,
    "Costs": show_costs,
    "Configuration": show_configuration,
    "Provenance": show_provenance,
    "Repeat this run": show_commands,
}


def make_run_page(folder: RunFolder) -> Page:
    """Return the page of a run. Files that cannot be read become notes in their sections."""
    sections = []
    for title, show in SECTIONS.items():
        blocks, notes = attempt(lambda show=show: show(folder), "this part cannot be shown")
        if blocks or notes:
            sections.append(Section(title, notes if blocks is None else blocks))
    tiles = [attempt(lambda make=make: make(folder))[0] for make in _TILES]
    return Page(
        name=folder.root.name or str(folder.root.resolve()),
        kind="run",
        about=describe_config(folder),
        tiles=[tile for tile in tiles if tile],
        sections=sections,
        footer=f"{folder.root}, {datetime.now():%Y-%m-%d %H:%M}",
    )


def _show_headline(folder: RunFolder) -> Tile:
    result = folder.headline
    if result is None:
        return Tile("bits/dim", NOTHING, details=("nothing evaluated yet",))
    summary, compared = result.summary, len(folder.headline_candidates)
    lowest = f", the lowest of {compared} results" if compared > 1 else ""
    details = (
        f"95 %: {format_interval(summary.get('interval'))}",
        f"{summary['estimator']} at step {summary['step']}{lowest}",
        f"{format_count(summary['num_images'], len(summary['failed']))} test images",
    )
    error = f"± {format_number(summary['standard_error'])}"
    return Tile("bits/dim", format_number(summary["bits_per_dim"]), error, details)


def _show_steps(folder: RunFolder) -> Tile:
    logged = [record["step"] for record in folder.metrics[0][-1:]]
    newest = max([*folder.steps, *logged], default=0)
    goal = "" if folder.config is None else f"of {folder.config.training.steps}"
    checkpoints = ", ".join(map(str, folder.steps[-6:])) or "none"
    return Tile("steps trained", str(newest), goal, (f"checkpoints: {checkpoints}",))


def _show_loss(folder: RunFolder) -> Tile | None:
    for name, label in (("held_out_loss", "held-out loss"), ("loss", "training loss")):
        records = [record for record in folder.metrics[0] if record.get(name) is not None]
        if records:
            value, step = format_number(records[-1][name]), records[-1]["step"]
            return Tile(label, value, "nats/dim", (f"step {step}",))
    return None


def _show_step_time(folder: RunFolder) -> Tile | None:
    timing = measure_timing(folder.metrics[0])
    return timing and Tile("time of a step", format_seconds(timing.step), details=("the median",))


_TILES = (_show_headline, _show_steps, _show_loss, _show_step_time)
