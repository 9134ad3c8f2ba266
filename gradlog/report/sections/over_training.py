"""Bits over the checkpoints of a training."""

from pathlib import Path
from typing import Any

from gradlog.evaluation.over_training import figure
from gradlog.evaluation.results import common_settings
from gradlog.report.blocks import NUMBER, Block, Chart, Columns, Fold, Missing, Paragraph, Table
from gradlog.report.commands import command
from gradlog.report.numbers import interval, number, share, uncertain
from gradlog.report.reading import attempt
from gradlog.report.run_files import RunFiles
from gradlog.report.svg import svg_of

_HEIGHT = 3.0  # inches
_COLUMNS = (
    *(("step", NUMBER), ("bits/dim ± s.e.", NUMBER), ("is the best", NUMBER)),
    *(("minus the best ± s.e.", NUMBER), ("95 % interval", NUMBER), ("images", NUMBER)),
)


def blocks(files: RunFiles) -> list[Block]:
    """Each estimator's curve, and how sure it is which step is the best."""
    paths = files.files("eval/over_training*.json")
    if not paths:
        return _missing(files)
    read = [(path, *attempt(lambda path=path: files.sealed(path))) for path in paths]
    notes = [note for _, _, complaints in read for note in complaints]
    found = [(path, each) for path, each, _ in read if each]
    found.sort(key=lambda pair: not _is_of_the_headline(files, pair[1]))
    main = [block for pair in found[:1] for block in _comparison(files, *pair)]
    others = [block for pair in found[1:] for block in _comparison(files, *pair)]
    return [*notes, *main, *([Fold("With other settings", others)] if others else [])]


def _comparison(files: RunFiles, path: Path, found: dict[str, Any]) -> list[Block]:
    """One file's."""
    tables = [_table(name, each) for name, each in found["estimators"].items()]
    note, left = found["note"], _left_out(files, found)
    said = f"{note[0].upper()}{note[1:]}.{left}"
    return [Columns([_chart(files, path, found), Paragraph(said)]), *tables]


def _left_out(files: RunFiles, found: dict[str, Any]) -> str:
    """Which steps are compared, of how many, where some checkpoints are not."""
    said = ""
    for name, each in found["estimators"].items():
        steps = [row["step"] for row in each["rows"]]
        absent = [str(step) for step in files.steps if step not in steps]
        if absent:
            said += (
                f" By {name} {len(files.steps) - len(absent)} of the {len(files.steps)} "
                f"checkpoints are compared; not step {', '.join(absent)}."
            )
    return said


def _is_of_the_headline(files: RunFiles, found: dict[str, Any]) -> bool:
    """Whether its settings are those of the number in large type."""
    best = files.headline
    if best is None:
        return False
    return found.get("settings", {}).get(best.summary["estimator"]) == common_settings(best.folder)


def _missing(files: RunFiles) -> list[Block]:
    """Nothing to say of a run with one checkpoint."""
    if len(files.steps) < 2:
        return []
    made = command(files.root, "--mode=eval", "--steps=all")
    return [Missing("The checkpoints have not been compared over training.", made)]


def _chart(files: RunFiles, path: Path, found: dict[str, Any]) -> Chart:
    best = ", ".join(f"{name}: step {each['best']}" for name, each in found["estimators"].items())
    return Chart(
        "Bits/dim over training",
        svg_of(lambda: figure(found), f"{files.prefix}{path.stem}".replace("_", "-"), _HEIGHT),
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
