"""Classes by likelihood, and the quality of samples."""

from typing import Any

from gradlog.report.blocks import CODE, NUMBER, TEXT, Block, Paragraph, Table
from gradlog.report.numbers import interval, number, of_all, short, uncertain
from gradlog.report.reading import attempt
from gradlog.report.run_files import RunFiles


def classes(files: RunFiles) -> list[Block]:
    """Accuracy by the likelihoods of the classes; nothing where nothing was classified."""
    rows, found = [], []
    for folder in files.folders("classify", "accuracy.json"):
        row, notes = attempt(
            lambda folder=folder: _accuracy(files.sealed(folder / "accuracy.json"))
        )
        rows += [row] if row else []
        found += notes
    columns = (
        *(("step", NUMBER), ("estimator", CODE), ("accuracy ± s.e.", NUMBER)),
        *(("95 % interval", NUMBER), ("log p(class|x)", NUMBER), ("images", NUMBER)),
    )
    return [
        *found,
        *([Table("Classes of the test set by likelihood", columns, rows)] if rows else []),
    ]


def _accuracy(summary: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(summary["step"]),
        summary["estimator"],
        uncertain(summary["accuracy"], summary["standard_error"]),
        interval(summary.get("interval")),
        number(summary["log_posterior_of_true_class"]),
        of_all(summary["num_images"], len(summary["failed"])),
    )


def quality(files: RunFiles) -> list[Block]:
    """FID and its kin; nothing where none was measured."""
    found = []
    for folder in files.folders("quality", "quality.json"):
        table, notes = attempt(
            lambda folder=folder: _quality(files.sealed(folder / "quality.json"))
        )
        found += [*([table] if table else []), *notes]
    if any(block.kind == "table" for block in found):
        found.append(
            Paragraph(
                "Beside the samples, as a control, data that are not in the reference. Numbers by "
                "other features than Inception's are no published FIDs."
            )
        )
    return found


def _quality(summary: dict[str, Any]) -> Table:
    columns = (
        *(("set", TEXT), ("FID", NUMBER), ("FID, n → ∞", NUMBER), ("KID", NUMBER)),
        *(("precision", NUMBER), ("recall", NUMBER), ("n", NUMBER)),
    )
    first = summary["rows"][0]
    title = (
        f"At step {summary['step']} against {first['reference_count']} {summary['against']} data, "
        f"by {first['num_features']} features: {summary['features']}"
    )
    return Table(title, columns, [_quality_row(row) for row in summary["rows"]])


def _quality_row(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["set"],
        f"{short(row['fid'])} ± {short(row['fid_standard_error'])}",
        short(row["fid_extrapolated"]),
        f"{short(row['kid'])} ± {short(row['kid_standard_error'])}",
        number(row["precision"], 3),
        number(row["recall"], 3),
        str(row["count"]),
    )
