"""The sections of a run's page about single images, training, samples, and costs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from gradlog.evaluation.bits_per_dim import PER_IMAGE, SETTINGS
from gradlog.evaluation.pictures import curves as draw_curves
from gradlog.evaluation.pictures import to_bytes
from gradlog.report.charts import (
    GAMMA,
    draw_histogram,
    draw_points,
    draw_schedule,
    load_image_uri,
    make_image_uri,
    render_svg,
)
from gradlog.report.formatting import (
    NOTHING,
    format_command,
    format_count,
    format_interval,
    format_number,
    format_seconds,
    format_short,
    format_with_error,
)
from gradlog.report.page import (
    CODE,
    NUMBER,
    TEXT,
    Block,
    Chart,
    Columns,
    Gallery,
    Missing,
    Note,
    Paragraph,
    Picture,
    Table,
)
from gradlog.report.run_folder import (
    RunFolder,
    attempt,
    load_sealed,
    load_settings,
)

_MAX_EXAMPLES = 12  # easiest images, and as many of the hardest
_MAX_SMALL = 64  # pixels: images up to this size are enlarged
_MAX_PREVIEWS = 8
_CURVES_INCHES = 2.6
_PAUSE_FACTOR = 2  # An interval that is so many times slower than the median has a pause.


def show_single_images(folder: RunFolder) -> list[Block]:
    """Show the bits/dim of single images: their spread, the easiest and the hardest."""
    result = folder.headline
    if result is None:
        return []
    arrays = result.per_image
    good = np.flatnonzero(arrays["ok"])
    bits, errors = arrays["bits_per_dim"], arrays["standard_error"]
    values = bits[good]
    svg = render_svg(lambda: draw_histogram(values))
    description = (
        f"Histogram of the bits per dimension of {len(values)} images: mean {np.mean(values):.4f}, "
        f"from {np.min(values):.4f} to {np.max(values):.4f}."
    )
    title = f"Bits/dim of single images, by {result.folder.name} at step {result.summary['step']}"
    quantiles = {"lowest": 0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "highest": 1}
    rows = [(n, format_number(float(np.quantile(values, q)))) for n, q in quantiles.items()]
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    rows.append(("standard deviation", format_number(deviation)))
    spread = Table("Their spread", (("of the images", TEXT), ("bits/dim", NUMBER)), rows)
    blocks: list[Block] = [Columns([Chart(title, svg, description), spread])]

    dataset, notes = folder.read_dataset
    if dataset is not None and dataset.fingerprint != result.summary["data_fingerprint"]:
        notes = [Note("The data set is not the one that was evaluated. No example is shown.")]
        dataset = None
    order = good[np.argsort(values, kind="stable")]
    # If there are few images, each is shown once.
    easiest = order[: len(order) // 2][:_MAX_EXAMPLES]
    hardest = order[len(order) // 2 :][::-1][:_MAX_EXAMPLES]
    if dataset is not None and len(dataset.shape) == 3 and dataset.shape[-1] in (1, 3):
        small = max(dataset.shape[:2]) <= _MAX_SMALL
        for name, chosen in (("easiest", easiest), ("hardest", hardest)):
            images = to_bytes(np.asarray(dataset.test[chosen]), dataset.levels)
            pictures = [
                Picture(
                    make_image_uri(image),
                    f"test image {i}, {bits[i]:.3f} bits/dim",
                    (f"#{i}", f"{bits[i]:.3f}", f"± {format_number(float(errors[i]), 3)}"),
                    small,
                )
                for i, image in zip(chosen, images, strict=True)
            ]
            blocks.append(Gallery(f"The {name} test images", pictures, "small"))
    else:
        blocks += notes
        if dataset is not None and dataset.shape == (2,):
            shown = np.sort(order)
            x = np.asarray(dataset.test[shown])
            svg = render_svg(lambda: draw_points(x, bits[shown]))
            description = f"{len(x)} points of the plane by their bits."
            blocks.append(Chart("Test points by their bits/dim", svg, description))
        columns = (("number in the test set", NUMBER), ("bits/dim ± own error", NUMBER))
        for name, chosen in (("easiest", easiest), ("hardest", hardest)):
            rows = [(str(i), format_with_error(float(bits[i]), float(errors[i]))) for i in chosen]
            blocks.append(Table(f"The {name}", columns, rows))
    text = (
        "Each has its number in the test set, its bits/dim and the estimator's own standard error. "
        "The error does not include the spread between draws of the dequantization."
    )
    return [*blocks, Paragraph(text)]


def show_curves(folder: RunFolder) -> list[Block]:
    """Show the training loss and the held-out loss over steps."""
    records, problems = folder.metrics
    notes: list[Block] = [Note(f"{folder.workdir.metrics}: {each}") for each in problems[:3]]
    if not records:
        command = format_command(folder.root, "--mode=train")
        return [*notes, Missing("Nothing has been logged.", command)]
    columns = (
        ("metric", TEXT),
        ("last", NUMBER),
        ("at step", NUMBER),
        ("lowest", NUMBER),
        ("at step", NUMBER),
    )
    rows, last = [], {}
    names = dict.fromkeys(name for record in records for name in record)
    for name in (name for name in names if name not in ("step", "time")):
        values = [(r[name], r["step"]) for r in records if r.get(name) is not None]
        cells = (NOTHING,) * 4
        if values:
            last[name] = values[-1][0]
            cells = tuple(
                cell
                for value, step in (values[-1], min(values))
                for cell in (format_number(value), str(step))
            )
        rows.append((name.replace("_", " "), *cells))
    losses = ", ".join(
        f"{name.replace('_', ' ')} {format_number(last.get(name))}"
        for name in ("loss", "held_out_loss")
    )
    chart = Chart(
        "Loss over training, nats/dim",
        render_svg(lambda: draw_curves(records), _CURVES_INCHES),
        f"Curves of the loss to step {records[-1]['step']}; at the end {losses} nats per "
        "dimension.",
    )
    return [*notes, Columns([chart, Table("What was logged", columns, rows)])]


def show_schedule(folder: RunFolder) -> list[Block]:
    """Show the noise schedule of a learned process over steps."""
    records = folder.metrics[0]
    names = [name for name in (records[-1] if records else {}) if name.startswith(GAMMA)]
    if not names:
        return []
    last = ", ".join(
        f"{format_number(records[-1][name])} at t = {name.removeprefix(GAMMA)}" for name in names
    )
    chart = Chart(
        "Learned noise schedule over training: gamma, minus the log-SNR",
        render_svg(lambda: draw_schedule(records, names), _CURVES_INCHES),
        f"Curves of gamma at {len(names)} times to step {records[-1]['step']}; at the end {last}.",
    )
    return [chart]


def show_samples(folder: RunFolder) -> list[Block]:
    """Show samples that were drawn during training and at the newest checkpoint."""
    blocks: list[Block] = []
    previews = folder.glob("previews/*.png")
    if len(previews) > _MAX_PREVIEWS:  # Keep the first, the last and some between them.
        places = np.linspace(0, len(previews) - 1, _MAX_PREVIEWS).round().astype(int)
        previews = [previews[i] for i in places]
    blocks += _show_gallery("During training", previews, lambda path: f"step {int(path.stem)}")
    grids = folder.glob("samples/*/grid.png") + folder.glob("samples/*/*/grid.png")
    if not grids:
        command = format_command(folder.root, "--mode=sample")
        return [*blocks, Missing("No samples have been drawn.", command)]

    def step(path: Path) -> int:
        name = path.relative_to(folder.root).parts[1]
        return int(name) if name.isdecimal() else -1

    def caption(path: Path) -> str:
        settings = path.relative_to(folder.root).parts[2:-1]
        return ", ".join([f"step {step(path)}", *(f"settings {name}" for name in settings)])

    newest = max(map(step, grids))
    grids = [path for path in grids if step(path) == newest]
    return blocks + _show_gallery("Drawn with --mode=sample", grids, caption, "large")


def show_newest_samples(folder: RunFolder) -> list[Block]:
    """Show the newest samples, or else the newest preview."""
    paths = folder.glob("samples/*/grid.png") or folder.glob("previews/*.png")
    return _show_gallery("Samples", paths[-1:], lambda path: path.parent.name)


def show_latents(folder: RunFolder) -> list[Block]:
    """Show pictures of encodings: data, latents, reconstructions."""
    paths = folder.glob("encodings/*/*.png")
    title = "Data, their latents, and their reconstructions"
    return _show_gallery(title, paths, lambda path: f"step {path.parent.name}", "large")


def show_study(folder: RunFolder) -> list[Block]:
    """Show the pictures of a study."""
    paths = folder.glob("study/*.png")
    return _show_gallery("The pictures of the study", paths, lambda path: path.stem, "large")


def show_classes(folder: RunFolder) -> list[Block]:
    """Show the accuracy of classification by the likelihoods of the classes."""
    rows, notes = [], []
    for path in folder.glob("classify/*/*/accuracy.json"):

        def read(path: Path = path) -> tuple[str, ...]:
            summary = load_sealed(path, (PER_IMAGE, SETTINGS))
            return (
                str(summary["step"]),
                summary["estimator"],
                format_with_error(summary["accuracy"], summary["standard_error"]),
                format_interval(summary.get("interval")),
                format_number(summary["log_posterior_of_true_class"]),
                format_count(summary["num_images"], len(summary["failed"])),
            )

        row, problems = attempt(read)
        rows += [row] if row else []
        notes += problems
    columns = (
        ("step", NUMBER),
        ("estimator", CODE),
        ("accuracy ± s.e.", NUMBER),
        ("95 % interval", NUMBER),
        ("log p(class|x)", NUMBER),
        ("images", NUMBER),
    )
    title = "Classes of the test set by likelihood"
    return [*notes, *([Table(title, columns, rows)] if rows else [])]


def show_quality(folder: RunFolder) -> list[Block]:
    """Show FID, KID, precision and recall of samples."""
    columns = (
        ("set", TEXT),
        ("FID", NUMBER),
        ("FID, n → ∞", NUMBER),
        ("KID", NUMBER),
        ("precision", NUMBER),
        ("recall", NUMBER),
        ("n", NUMBER),
    )
    blocks: list[Block] = []
    for path in folder.glob("quality/*/*/quality.json"):

        def read(path: Path = path) -> Table:
            summary = load_sealed(path, (SETTINGS,))
            first = summary["rows"][0]
            title = (
                f"At step {summary['step']} against {first['reference_count']} "
                f"{summary['against']} data, by {first['num_features']} features: "
                f"{summary['features']}"
            )
            rows = [
                (
                    row["set"],
                    f"{format_short(row['fid'])} ± {format_short(row['fid_standard_error'])}",
                    format_short(row["fid_extrapolated"]),
                    f"{format_short(row['kid'])} ± {format_short(row['kid_standard_error'])}",
                    format_number(row["precision"], 3),
                    format_number(row["recall"], 3),
                    str(row["count"]),
                )
                for row in summary["rows"]
            ]
            return Table(title, columns, rows)

        table, problems = attempt(read)
        blocks += [*([table] if table else []), *problems]
    if any(isinstance(block, Table) for block in blocks):
        text = (
            "The rows beside the samples are a control: data that are not in the reference. Only "
            "numbers by Inception's features are comparable with published FIDs."
        )
        blocks.append(Paragraph(text))
    return blocks


def show_costs(folder: RunFolder) -> list[Block]:
    """Show the times of training and of each evaluation."""
    blocks: list[Block] = []
    records, _ = folder.metrics
    timing = measure_timing(records)
    if timing is not None:
        rows = [
            ("one step (median of the logged intervals)", format_seconds(timing.step)),
            ("steps per second", format_short(1 / timing.step) if timing.step else NOTHING),
            ("from the first to the last logged step", format_seconds(timing.total)),
            ("pauses in it (previews, checkpoints, breaks)", format_seconds(timing.pauses)),
        ]
        blocks.append(Table("Training", (("what", TEXT), ("time", NUMBER)), rows))
    elif len(records) > 1:
        text = "The times of training are missing: version 0.1 did not write them to metrics.jsonl."
        blocks.append(Missing(text))
    if folder.results:
        columns = (
            ("step", NUMBER),
            ("estimator", CODE),
            ("evaluation", NUMBER),
            ("compilation", NUMBER),
            ("images per second", NUMBER),
            ("NFE, mean", NUMBER),
            ("NFE, largest", NUMBER),
            ("devices", NUMBER),
        )
        rows = []
        for result in folder.results:
            summary, seconds = result.summary, result.summary["seconds"]
            row = (
                str(summary["step"]),
                result.folder.name,
                format_seconds(seconds),
                format_seconds(summary.get("compile_seconds")),
                format_number(len(result.ok) / seconds, 1) if seconds else "",
                format_number(summary["nfe"], 1),
                str(summary.get("nfe_max", "")),
                str(load_settings(result).get("devices", "")),
            )
            rows.append(row)
        blocks.append(Table("Evaluations", columns, rows))
    return blocks


@dataclass(frozen=True)
class Timing:
    """The times of a training in seconds.

    Attributes:
      step: the median time of a step over the logged intervals.
      total: the time from the first to the last logged step.
      pauses: the part of it by which slow intervals exceed the median pace.
    """

    step: float
    total: float
    pauses: float


def measure_timing(records: Sequence[dict[str, Any]]) -> Timing | None:
    """Return the times of a training from its metrics; None if they have no times."""
    timed = [(r["step"], r["time"]) for r in records if r.get("time") is not None]
    # A clock may go back between two machines. Such an interval has no length.
    intervals = [
        (later[0] - earlier[0], later[1] - earlier[1])
        for earlier, later in pairwise(timed)
        if later[0] > earlier[0] and later[1] >= earlier[1]
    ]
    if not intervals:
        return None
    step = float(np.median([seconds / steps for steps, seconds in intervals]))
    slow = [(n, seconds) for n, seconds in intervals if seconds > _PAUSE_FACTOR * n * step]
    total = sum(seconds for _, seconds in intervals)
    return Timing(step, total, sum(seconds - n * step for n, seconds in slow))


def _show_gallery(
    title: str, paths: Sequence[Path], caption: Callable[[Path], str], size: str = "medium"
) -> list[Block]:
    """Show picture files with captions; notes for files that cannot be read."""
    pictures, notes = [], []
    for path in paths:
        uri, problems = attempt(lambda path=path: load_image_uri(path), str(path))
        if uri:
            pictures.append(Picture(uri, f"{title}: {caption(path)}", (caption(path),)))
        notes += problems
    return [*notes, *([Gallery(title, pictures, size)] if pictures else [])]
