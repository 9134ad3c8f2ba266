"""A sweep's results as files."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradlog.evaluation.pictures import save_figure
from gradlog.storage import write_sealed, write_text
from gradlog.sweeps.picture import figure_of
from gradlog.sweeps.results import RunRow, SweepResults

_COLUMNS = (
    *("status", "step", "estimator", "bits_per_dim", "standard_error", "difference"),
    *(
        "difference_standard_error",
        "num_images",
        "all_images",
        "train_seconds",
        "eval_seconds",
        "failure",
    ),
)


def save_results(results: SweepResults) -> None:
    """Writes ``results.csv``, ``results.json`` and ``results.png``."""
    folder = results.folder
    write_text(folder.result("csv"), _csv(results))
    rows = {
        "runs": [_plain(vars(row)) for row in results.runs],
        "settings": [_plain(vars(row)) for row in results.settings],
    }
    write_sealed(folder.result("json"), rows)
    if results.settings:
        save_figure(folder.result("png"), figure_of(results))


def _csv(results: SweepResults) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", *results.keys, *_COLUMNS])
    writer.writerows(_line(results, row) for row in results.runs)
    return text.getvalue()


def _line(results: SweepResults, row: RunRow) -> list[Any]:
    """Empty where there is nothing: a key that a run does not override, a run without a result."""
    return [row.name, *map(row.value, results.keys), *(getattr(row, name) for name in _COLUMNS)]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON has it."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in row.items()}
