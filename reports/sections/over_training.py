"""Bits over the checkpoints of a training."""

from typing import Any

from evaluation.over_training import figure
from reports.blocks import NUMBER, Block, Chart, Columns, Missing, Paragraph, Table
from reports.commands import command
from reports.numbers import interval, number, share, uncertain
from reports.run_files import RunFiles
from reports.svg import svg_of

_HEIGHT = 3.0  # inches
_COLUMNS = (
    *(("step", NUMBER), ("bits/dim ± s.e.", NUMBER), ("is the best", NUMBER)),
    *(("minus the best ± s.e.", NUMBER), ("95 % interval", NUMBER), ("images", NUMBER)),
)


def blocks(files: RunFiles) -> list[Block]:
    """Each estimator's curve, and how sure it is which step is the best."""
    path = files.root / "eval" / "over_training.json"
    if not path.is_file():
        return _missing(files)
    found = files.sealed(path)
    tables = [_table(name, each) for name, each in found["estimators"].items()]
    note = found["note"]
    return [
        Columns([_chart(files, found), Paragraph(f"{note[0].upper()}{note[1:]}.")]),
        *tables,
    ]


def _missing(files: RunFiles) -> list[Block]:
    """Nothing to say of a run with one checkpoint."""
    if len(files.steps) < 2:
        return []
    made = command(files.root, "--mode=eval", "--steps=all")
    return [Missing("The checkpoints have not been compared over training.", made)]


def _chart(files: RunFiles, found: dict[str, Any]) -> Chart:
    best = ", ".join(f"{name}: step {each['best']}" for name, each in found["estimators"].items())
    return Chart(
        "Bits/dim over training",
        svg_of(lambda: figure(found), f"{files.prefix}over-training", _HEIGHT),
        f"Bits per dimension with their intervals over steps; the best step is, by {best}.",
    )


def _table(name: str, each: dict[str, Any]) -> Table:
    steps = [row["step"] for row in each["rows"]]
    rows = [_row(row, row["step"] == each["best"]) for row in each["rows"]]
    title = f"Steps by {name}, compared on {each['num_images']} images"
    return Table(title, _COLUMNS, rows, [steps.index(each["best"])])


def _row(row: dict[str, Any], best: bool) -> tuple[str, ...]:
    difference = row["minus_best"]
    return (
        str(row["step"]),
        uncertain(row["bits_per_dim"], row["standard_error"]),
        share(row["probability_best"]),
        number(0.0)
        if best
        else uncertain(difference["bits_per_dim"], difference["standard_error"]),
        "" if best else interval(difference["interval"]),
        str(row["num_images"]),
    )
