"""Paired differences: between estimators, checkpoints and runs."""

from typing import Any

from gradlog.evaluation.differences import BOUNDS, WHAT_A_BOUND_BOUNDS
from gradlog.report.blocks import CODE, NUMBER, TEXT, Block, Missing, Paragraph, Table
from gradlog.report.commands import command
from gradlog.report.numbers import interval, of_all, uncertain
from gradlog.report.reading import attempt
from gradlog.report.run_files import RunFiles

_DIFFERENCE = (("difference ± s.e.", NUMBER), ("95 % interval", NUMBER), ("images", NUMBER))


def blocks(files: RunFiles) -> list[Block]:
    """Between estimators, checkpoints and runs, each on the same images."""
    between, notes = _rows(files, "eval/*/differences.json")
    compared, more = _rows(files, "compare/*.json")
    found: list[Block] = [*notes, *more]
    if between:
        columns = (("step", NUMBER), ("estimators", TEXT), *_DIFFERENCE)
        rows = [(path, _named(row), *_difference(row)) for path, row in between]
        found.append(Table("Between estimators, bits/dim", columns, rows))
        if any(_of_two_kinds(row) for _, row in between):
            found.append(Paragraph(f"{WHAT_A_BOUND_BOUNDS[0].upper()}{WHAT_A_BOUND_BOUNDS[1:]}."))
    if compared:
        columns = (("estimator", CODE), ("of", TEXT), *_DIFFERENCE)
        rows = [(row["estimator"], _named(row), *_difference(row)) for _, row in compared]
        found.append(
            Table(
                "Between checkpoints or runs, bits/dim (negative: the first is better)",
                columns,
                rows,
            )
        )
    if not found and files.results and len(files.steps) > 1:
        made = command(files.root, "--mode=compare", "--steps=all")
        return [Missing("Nothing has been compared image by image.", made)]
    return found


def _rows(files: RunFiles, pattern: str) -> tuple[list[tuple[str, dict[str, Any]]], list[Block]]:
    """The rows of all such files, each with the name of the file's folder."""
    rows, notes = [], []
    for path in files.files(pattern):
        read, complaints = attempt(lambda path=path: files.sealed(path)["rows"])
        rows += [(path.parent.name, row) for row in read or []]
        notes += complaints
    return rows, notes


def _named(row: dict[str, Any]) -> str:
    return f"{row['minuend']} − {row['subtrahend']}"


def _difference(row: dict[str, Any]) -> tuple[str, str, str]:
    return (
        uncertain(row["bits_per_dim"], row["standard_error"]),
        interval(row["interval"]),
        of_all(row["num_images"], row.get("failed_in_either", 0)),
    )


def _of_two_kinds(row: dict[str, Any]) -> bool:
    return row["minuend"] in BOUNDS and row["subtrahend"] not in BOUNDS
