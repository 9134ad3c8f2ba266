"""Bits of single images: how they are spread, the easiest and the hardest."""

import numpy as np

from gradlog.data import Dataset
from gradlog.evaluation.pictures import to_bytes
from gradlog.evaluation.results import Result
from gradlog.report import figures
from gradlog.report.blocks import (
    NUMBER,
    TEXT,
    Block,
    Chart,
    Columns,
    Gallery,
    Note,
    Paragraph,
    Picture,
    Table,
)
from gradlog.report.numbers import number, uncertain
from gradlog.report.pictures import uri_of_bytes
from gradlog.report.run_files import RunFiles
from gradlog.report.svg import svg_of

_SHOWN = 12  # of the easiest, and of the hardest
_SMALL = 64  # pixels: images up to this size are enlarged


def blocks(files: RunFiles) -> list[Block]:
    """Of the result that the page begins with; nothing without one."""
    result = files.headline
    if result is None:
        return []
    found = files.per_image(result)
    good = np.flatnonzero(found["ok"])
    bits, errors = found["bits_per_dim"], found["standard_error"]
    return [
        Columns([_histogram(files, result, bits[good]), _spread(bits[good])]),
        *_examples(files, result, good[np.argsort(bits[good], kind="stable")], bits, errors),
    ]


def _histogram(files: RunFiles, result: Result, bits: np.ndarray) -> Chart:
    draw = lambda: figures.histogram(bits)  # noqa: E731
    return Chart(
        f"Bits/dim of single images, by {result.folder.name} at step {result.summary['step']}",
        svg_of(draw, f"{files.prefix}images"),
        f"Histogram of the bits per dimension of {len(bits)} images: mean {np.mean(bits):.4f}, "
        f"from {np.min(bits):.4f} to {np.max(bits):.4f}.",
    )


def _spread(bits: np.ndarray) -> Table:
    """Quantiles, and the standard deviation."""
    shares = {"lowest": 0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "highest": 1}
    rows = [(name, number(float(np.quantile(bits, share)))) for name, share in shares.items()]
    rows.append(
        ("standard deviation", number(float(np.std(bits, ddof=1)) if bits[1:].size else None))
    )
    return Table("Their spread", (("of the images", TEXT), ("bits/dim", NUMBER)), rows)


def _examples(
    files: RunFiles, result: Result, order: np.ndarray, bits: np.ndarray, errors: np.ndarray
) -> list[Block]:
    """The easiest and the hardest: as images, as points or as their numbers in the test set."""
    explained = Paragraph(
        "Each with its number in the test set, its bits/dim and the estimator's own standard error "
        "of them: one draw of the dequantization, whose spread is not in it."
    )
    dataset, notes = files.read_dataset
    if dataset is not None and dataset.fingerprint != result.summary["data_fingerprint"]:
        notes = [Note("The data set is not the one that was evaluated: no example is shown.")]
        dataset = None
    # Few images are shown once.
    hardest = order[len(order) // 2 :][::-1][:_SHOWN]
    easiest = order[: len(order) // 2][:_SHOWN]
    if dataset is None or not _are_images(dataset):
        plane = _plane(files, dataset, order, bits) if dataset is not None else []
        named = [("The easiest", easiest), ("The hardest", hardest)]
        return [*notes, *plane, *(_numbers(n, rows, bits, errors) for n, rows in named), explained]
    return [
        _gallery("The easiest test images", dataset, easiest, bits, errors),
        _gallery("The hardest test images", dataset, hardest, bits, errors),
        explained,
    ]


def _are_images(dataset: Dataset) -> bool:
    return len(dataset.shape) == 3 and dataset.shape[-1] in (1, 3)


def _gallery(
    title: str, dataset: Dataset, rows: np.ndarray, bits: np.ndarray, errors: np.ndarray
) -> Gallery:
    images = to_bytes(np.asarray(dataset.test[rows]), dataset.levels)
    small = max(dataset.shape[:2]) <= _SMALL
    pictures = [
        Picture(
            uri_of_bytes(image),
            f"test image {row}, {bits[row]:.3f} bits/dim",
            (f"#{row}", f"{bits[row]:.3f}", f"± {number(float(errors[row]), 3)}"),
            small,
        )
        for row, image in zip(rows, images, strict=True)
    ]
    return Gallery(title, pictures, "small")


def _plane(files: RunFiles, dataset: Dataset, order: np.ndarray, bits: np.ndarray) -> list[Block]:
    """Points of the plane, colored by their bits."""
    if dataset.shape != (2,):
        return []
    x = np.asarray(dataset.test[np.sort(order)])
    title = "Test points by their bits/dim"
    draw = lambda: figures.points(x, bits[np.sort(order)])  # noqa: E731
    return [
        Chart(
            title,
            svg_of(draw, f"{files.prefix}points"),
            f"{len(x)} points of the plane by their bits.",
        )
    ]


def _numbers(title: str, rows: np.ndarray, bits: np.ndarray, errors: np.ndarray) -> Table:
    columns = (("number in the test set", NUMBER), ("bits/dim ± own error", NUMBER))
    return Table(
        title,
        columns,
        [(str(row), uncertain(float(bits[row]), float(errors[row]))) for row in rows],
    )
