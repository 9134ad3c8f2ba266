"""A sweep on the terminal, and its settings as a chart."""

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gradlog.data.dataset import BITS_PER_DIM
from gradlog.evaluation.tables import in_unit
from gradlog.sweeps.plan import SEED, Plan
from gradlog.sweeps.results import SettingRow, SweepResults
from gradlog.sweeps.runs import FAILED, STARTED, RunTask
from gradlog.terminal import Column, console, say, show_rows, table_of

_SETTING_COLUMNS = {
    Column("setting", text=True): lambda row: row.label,
    Column("seeds", optional=3): lambda row: str(len(row.seeds)),
    Column(BITS_PER_DIM): lambda row: _number(row.bits_per_dim),
    Column("± s.e."): lambda row: _number(row.standard_error),
    Column("images", optional=3): lambda row: row.images,
    Column("of images", optional=4): lambda row: _number(row.images_error),
    Column("of seeds", optional=4): lambda row: _number(row.seeds_error),
    Column("minus best", optional=1): lambda row: _number(row.difference),
    Column("± s.e. of that", optional=2): lambda row: _number(row.difference_standard_error),
    Column("", text=True): lambda row: row.verdict,
}
_RUN_COLUMNS = {
    Column("run", text=True): lambda row: row.setting,
    Column(SEED): lambda row: str(row.seed),
    Column(BITS_PER_DIM): lambda row: _number(row.bits_per_dim),
    Column("± s.e."): lambda row: _number(row.standard_error),
    Column("minus best", optional=1): lambda row: _number(row.difference),
    Column("± s.e. of that", optional=2): lambda row: _number(row.difference_standard_error),
    Column("train s", optional=2): lambda row: _number(row.train_seconds, 0),
    Column("eval s", optional=2): lambda row: _number(row.eval_seconds, 0),
}
_LINE_INCHES, _GAP_INCHES, _EDGE_INCHES, _WIDTH = 0.17, 0.13, 0.7, 8.0
_LINE_LENGTH, _LINE_LENGTH_STACKED = 40, 24  # letters of a setting's name in one line
_SEED_OFFSET = 0.25  # rows between a setting's mean and its seeds
_BEST, _UNDECIDED, _WORSE, _SEEDS = "#0072b2", "#56b4e9", "#767676", "#d55e00"


def show_plan(plan: Plan, tasks: Sequence[RunTask]) -> None:
    """Print a row per run with its overrides and its status, and note repeated trainings.

    Where every run has a label, its name says enough, and the overrides are left out.
    """
    shown = () if all(run.label for run in plan.runs) else plan.keys
    keys = (Column(key, text=True, optional=1) for key in shown)
    columns = (Column("run", text=True, whole=True), *keys, Column("state", text=True, whole=True))
    rows = []
    for run, task in zip(plan.runs, tasks, strict=True):
        state = status = task.status
        if status == STARTED:
            state = f"begun at step {task.folder.newest_step(task.name)}"
        elif status == FAILED:
            state = "failed, is tried again"
        rows.append((run.name, *(plan.cell(run, key) for key in shown), state))
    title = plan.title.rstrip(".") or plan.file
    console.print(table_of(f"{title}: {len(tasks)} runs", columns, rows))
    if keys := plan.keys_without_effect_on_training:
        say(
            f"note: runs that differ only in {', '.join(keys)} train the same network again; "
            "config.eval.estimators evaluates one network in several ways"
        )


def show_results(results: SweepResults) -> None:
    """Print the settings and runs of each estimator, the best first, with remarks."""
    for estimator in results.estimators:
        settings = results.select(estimator)
        columns = in_unit(_SETTING_COLUMNS, results.unit)
        show_rows(f"settings by {estimator}", columns, settings)
        if any(len(row.seeds) > 1 for row in settings):
            title = f"runs by {estimator} (errors over the images of one run)"
            runs = [row for row in results.runs if row.estimator == estimator]
            show_rows(title, in_unit(_RUN_COLUMNS, results.unit), runs)
        for line in list_remarks(settings):
            say(line)


def list_remarks(settings: Sequence[SettingRow]) -> list[str]:
    """Return what a reader of one estimator's settings must know about errors and luck."""
    single = sum(len(row.seeds) == 1 for row in settings)
    if single:
        which = "all settings have" if single == len(settings) else f"{single} of the settings have"
        remarks = [
            f"{which} one seed. Their standard errors cover the test images only. Another seed can "
            "give a different result"
        ]
    else:
        remarks = [
            "standard errors cover images and seeds (crossed random effects). Differences are "
            "taken for each image and each seed, then averaged"
        ]
    if len(settings) > 1:
        best, others = settings[0], settings[1:]
        same = sum(row.told_apart is False for row in others)
        remarks.append(
            f"the best of {len(settings)} settings is partly the luckiest on the "
            f"{best.compared_images} images that succeeded in all. Its {best.bits_per_dim:.4f} is "
            f"therefore a little too low. {same} of the other settings "
            f"{'is' if same == 1 else 'are'} not significantly different from it (at 5 % for all "
            "pairs of settings together, with one variance between seeds for all settings)"
        )
    return remarks


def draw_settings(results: SweepResults, *, stacked: bool = False) -> Figure:
    """Draw the bits/dim of the settings and their differences to the best, for each estimator.

    Dots have 95 % intervals, and small dots below them are seeds. The best is blue. Settings
    without a significant difference to it are light blue, the others gray.

    Args:
      results: the results of the sweep.
      stacked: whether differences are below the bits, for a narrow page.
    """
    estimators = results.estimators or ("",)
    length = _LINE_LENGTH_STACKED if stacked else _LINE_LENGTH
    labels = [
        [
            textwrap.fill(row.label, length, break_long_words=False, break_on_hyphens=False)
            for row in results.select(name)
        ]
        for name in estimators
    ]
    lines = [max((label.count("\n") + 1 for label in names), default=1) for names in labels]
    heights = [
        _EDGE_INCHES + max(len(names), 1) * (_GAP_INCHES + _LINE_INCHES * count)
        for names, count in zip(labels, lines, strict=True)
    ]
    size = (_WIDTH, sum(heights))
    shape, widths = (len(estimators), 2), (1.3, 1)
    if stacked:
        size = (_WIDTH / 2, 2 * size[1])
        heights = [height for height in heights for _ in range(2)]
        shape, widths = (2 * len(estimators), 1), (1,)
    figure = Figure(figsize=size, layout="constrained")
    all_axes = figure.subplots(*shape, squeeze=False, height_ratios=heights, width_ratios=widths)
    for name, names, (left, right) in zip(estimators, labels, all_axes.reshape(-1, 2), strict=True):
        right.axvline(0.0, color="black", linewidth=0.8)
        for place, row in enumerate(results.select(name)):
            color = _BEST if row.is_best else _WORSE if row.told_apart else _UNDECIDED
            style = {"fmt": "o", "color": color, "markersize": 5}
            seeds = [place + _SEED_OFFSET] * len(row.seed_bits)
            left.plot(row.seed_bits, seeds, ".", color=_SEEDS)
            half = (row.interval["high"] - row.interval["low"]) / 2
            left.errorbar(row.bits_per_dim, place, xerr=half, **style)
            if row.difference is not None:
                interval = row.difference_interval
                half = (interval["high"] - interval["low"]) / 2 if interval else 0.0
                right.errorbar(row.difference, place, xerr=half, **style)
        left.set_xlabel(
            f"{results.unit} ({name}), 95 %; small dots: seeds", fontsize=9, loc="right"
        )
        right.set_xlabel("paired difference to the best, 95 %", fontsize=9, loc="right")
        for axes in (left, right):
            axes.set_yticks(range(len(names)), names, fontsize=8)
            axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.tick_params(axis="x", labelsize=8)
            axes.grid(axis="x", alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        if not stacked:
            right.set_yticklabels([])
    return figure


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
