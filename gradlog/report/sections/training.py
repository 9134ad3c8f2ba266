"""Training: its curves, samples on the way and after it."""

from pathlib import Path

from gradlog.evaluation import pictures
from gradlog.report.blocks import (
    NUMBER,
    TEXT,
    Block,
    Chart,
    Columns,
    Gallery,
    Missing,
    Note,
    Picture,
    Table,
)
from gradlog.report.commands import command
from gradlog.report.numbers import NOTHING, number
from gradlog.report.pictures import uri_of_file
from gradlog.report.reading import attempt
from gradlog.report.run_files import RunFiles
from gradlog.report.svg import svg_of

_PREVIEWS = 8  # at most, evenly over training
_HEIGHT = 2.6  # inches


def curves(files: RunFiles) -> list[Block]:
    """Training and held-out loss over steps."""
    records, complaints = files.metrics
    notes: list[Block] = [Note(f"{files.workdir.metrics}: {said}") for said in complaints[:3]]
    if not records:
        return [*notes, Missing("Nothing has been logged.", train_command(files))]
    losses = {name: _last(records, name) for name in ("loss", "held_out_loss")}
    told = ", ".join(f"{name.replace('_', ' ')} {number(value)}" for name, value in losses.items())
    chart = Chart(
        "Loss over training, nats/dim",
        svg_of(lambda: pictures.curves(records), f"{files.prefix}curves", _HEIGHT),
        f"Curves of the loss to step {records[-1]['step']}; at the end {told} nats per dimension.",
    )
    return [*notes, Columns([chart, _metrics(records)])]


def _metrics(records: list[dict]) -> Table:
    """Of each metric the last value and the lowest."""
    names = dict.fromkeys(name for record in records for name in record if name != "step")
    rows = [(name.replace("_", " "), *_last_and_lowest(records, name)) for name in names]
    columns = (
        *(("metric", TEXT), ("last", NUMBER), ("at step", NUMBER)),
        *(("lowest", NUMBER), ("at step", NUMBER)),
    )
    return Table("What was logged", columns, rows)


def _last_and_lowest(records: list[dict], name: str) -> tuple[str, ...]:
    found = [(record[name], record["step"]) for record in records if record.get(name) is not None]
    if not found:
        return (NOTHING,) * 4
    (last, at), (lowest, at_lowest) = found[-1], min(found)
    return number(last), str(at), number(lowest), str(at_lowest)


def _last(records: list[dict], name: str) -> float | None:
    """The last that was logged of a metric."""
    found = [record[name] for record in records if record.get(name) is not None]
    return found[-1] if found else None


def train_command(files: RunFiles) -> str:
    """Goes on with the training."""
    return command(files.root, "--mode=train")


def samples(files: RunFiles) -> list[Block]:
    """Pictures drawn while it trained, and of the newest checkpoint."""
    previews = _evenly(files.files("previews/*.png"))
    drawn = files.files("samples/*/grid.png") + files.files("samples/*/*/grid.png")
    found: list[Block] = []
    if previews:
        found += _gallery("On the way", previews, lambda path: f"step {int(path.stem)}", "medium")
    if drawn:
        newest = max(_step(files, path) for path in drawn)
        at_newest = [path for path in drawn if _step(files, path) == newest]
        found += _gallery(
            "Drawn with --mode=sample", at_newest, lambda path: _named(files, path), "large"
        )
    else:
        made = command(files.root, "--mode=sample")
        found.append(Missing("No samples have been drawn.", made))
    return found


def newest_pictures(files: RunFiles) -> list[Block]:
    """The newest samples, or else the newest preview; nothing where there is none."""
    drawn = files.files("samples/*/grid.png") or files.files("previews/*.png")
    return _gallery("Samples", drawn[-1:], lambda path: path.parent.name, "medium")


def latents(files: RunFiles) -> list[Block]:
    """Pictures of encodings: data, latents, reconstructions."""
    title, paths = (
        "Data, their latents, and what becomes of these",
        files.files("encodings/*/*.png"),
    )
    return _gallery(title, paths, lambda path: f"step {path.parent.name}", "large")


def study(files: RunFiles) -> list[Block]:
    """Pictures of a study."""
    return _gallery(
        "What the study shows", files.files("study/*.png"), lambda path: path.stem, "large"
    )


def _step(files: RunFiles, path: Path) -> int:
    name = path.relative_to(files.root).parts[1]
    return int(name) if name.isdecimal() else -1


def _named(files: RunFiles, path: Path) -> str:
    return f"step {_step(files, path)}" + (
        f", settings {path.parent.name}" if path.parent.parent.name != "samples" else ""
    )


def _evenly(paths: list[Path]) -> list[Path]:
    """At most so many of them, the first and the last among them."""
    if len(paths) <= _PREVIEWS:
        return paths
    return [paths[round(i * (len(paths) - 1) / (_PREVIEWS - 1))] for i in range(_PREVIEWS)]


def _gallery(title: str, paths: list[Path], name, size: str) -> list[Block]:
    shown, notes = [], []
    for path in paths:
        uri, complaints = attempt(lambda path=path: uri_of_file(path), str(path))
        shown += [Picture(uri, f"{title}: {name(path)}", (name(path),))] if uri else []
        notes += complaints
    return [*notes, *([Gallery(title, shown, size)] if shown else [])]
