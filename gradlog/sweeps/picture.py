"""Settings of a sweep as a chart: dots with their intervals, sorted; seeds as small dots below."""

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gradlog.sweeps.results import SettingRow, SweepResults

_LINE_INCHES, _GAP_INCHES, _EDGE_INCHES, _WIDTH = 0.17, 0.13, 0.7, 8.0
_LETTERS, _LETTERS_STACKED = 40, 24  # in a line of a setting's name
_BELOW = 0.25  # rows: of the seeds under their mean
_BEST, _SAME, _APART, _SEEDS = "#0072b2", "#56b4e9", "#767676", "#d55e00"


def figure_of(results: SweepResults, *, stacked: bool = False) -> Figure:
    """Bits/dim of the settings and their differences to the best, a pair of axes by estimator.

    Blue is the best, light blue what is not told apart from it with all settings compared at once,
    gray the others.

    Args:
      results: of the sweep.
      stacked: each pair below each other, for a narrow page.
    """
    estimators = results.estimators or ("",)
    letters = _LETTERS_STACKED if stacked else _LETTERS
    heights = [_EDGE_INCHES + _rows_inches(results.of(name), letters) for name in estimators]
    size = (_WIDTH, sum(heights))
    shape, widths = (len(estimators), 2), (1.3, 1)
    if stacked:
        size = (_WIDTH / 2, 2 * size[1])
        heights = [height for height in heights for _ in range(2)]
        shape, widths = (2 * len(estimators), 1), (1,)
    figure = Figure(figsize=size, layout="constrained")
    all_axes = figure.subplots(*shape, squeeze=False, height_ratios=heights, width_ratios=widths)
    for name, (left, right) in zip(estimators, all_axes.reshape(-1, 2), strict=True):
        settings = results.of(name)
        _draw_bits(left, settings, name)
        _draw_differences(right, settings)
        for axes in (left, right):
            _lay_out(axes, [_folded(row, letters) for row in settings])
        if not stacked:
            right.set_yticklabels([])
    return figure


def _draw_bits(axes: Axes, settings: Sequence[SettingRow], estimator: str) -> None:
    for place, row in enumerate(settings):
        axes.plot(row.seed_bits, [place + _BELOW] * len(row.seed_bits), ".", color=_SEEDS)
        half = (row.interval["high"] - row.interval["low"]) / 2
        axes.errorbar(row.bits_per_dim, place, xerr=half, fmt="o", color=_color(row), markersize=5)
    axes.set_xlabel(f"bits/dim ({estimator}), 95 %; small dots: seeds", fontsize=9, loc="right")


def _draw_differences(axes: Axes, settings: Sequence[SettingRow]) -> None:
    axes.axvline(0.0, color="black", linewidth=0.8)
    for place, row in enumerate(settings):
        if row.difference is None:
            continue
        found = row.difference_interval
        half = (found["high"] - found["low"]) / 2 if found else 0.0
        axes.errorbar(row.difference, place, xerr=half, fmt="o", color=_color(row), markersize=5)
    axes.set_xlabel("paired difference to the best, 95 %", fontsize=9, loc="right")


def _rows_inches(settings: Sequence[SettingRow], letters: int) -> float:
    lines = [_folded(row, letters).count("\n") + 1 for row in settings]
    return max(len(lines), 1) * (_GAP_INCHES + _LINE_INCHES * max(lines, default=1))


def _folded(row: SettingRow, letters: int) -> str:
    return textwrap.fill(row.label, letters, break_long_words=False, break_on_hyphens=False)


def _lay_out(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_ylim(max(len(labels), 1) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _color(row: SettingRow) -> str:
    if row.is_best:
        return _BEST
    return _APART if row.told_apart else _SAME
