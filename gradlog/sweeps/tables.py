"""A sweep on the terminal: what is to be run, and what was found."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from gradlog.sweeps.folder import BEGUN, FAILED, SweepFolder
from gradlog.sweeps.plan import SEED, Plan, PlannedRun
from gradlog.sweeps.results import RunRow, SettingRow, SweepResults
from gradlog.sweeps.work import Work
from gradlog.terminal import console, say
from gradlog.terminal.columns import Cell, Column, table_of

_STATES = {BEGUN: "begun", FAILED: "failed, is tried again"}


def show_plan(folder: SweepFolder, plan: Plan, works: Sequence[Work]) -> None:
    """A row for each run: its overrides, and how far it is; and what is trained more than once."""
    keys = (Column(key, text=True, optional=1) for key in plan.keys)
    columns = (Column("run", text=True, whole=True), *keys, Column("state", text=True, whole=True))
    rows = [
        (Text(run.name), *_values(plan, run), _state(folder, work))
        for run, work in zip(plan.runs, works, strict=True)
    ]
    title = plan.title.rstrip(".") or plan.file
    console.print(table_of(f"{title}: {len(works)} runs", columns, rows))
    if keys := plan.not_trained_by:
        say(
            f"note: runs that differ in {', '.join(keys)} alone train the same network again; "
            "config.eval.estimators evaluates one network in several ways"
        )


def _values(plan: Plan, run: PlannedRun) -> list[Text]:
    return [Text(plan.shown(run, key)) for key in plan.keys]


def _state(folder: SweepFolder, work: Work) -> str:
    status = work.status
    step = f" at step {folder.step(work.name)}" if status == BEGUN else ""
    return _STATES.get(status, status) + step


def show_sweep(results: SweepResults) -> None:
    """Settings and runs in the order of bits/dim, by estimator, and what is to be known of them."""
    for estimator in results.estimators:
        settings = results.of(estimator)
        console.print(_settings_table(estimator, settings))
        if any(len(row.seeds) > 1 for row in settings):
            runs = [row for row in results.runs if row.estimator == estimator]
            console.print(_runs_table(estimator, runs))
        for line in remarks(settings):
            say(line)


_SETTINGS = (
    *(Column("setting", text=True), Column("seeds", optional=3), Column("bits/dim")),
    *(Column("± s.e."), Column("images", optional=3), Column("of images", optional=4)),
    *(Column("of seeds", optional=4), Column("- best", optional=1)),
    *(Column("± its s.e.", optional=2), Column("", text=True)),
)


def _settings_table(estimator: str, settings: Sequence[SettingRow]) -> Table:
    return table_of(f"settings by {estimator}", _SETTINGS, list(map(_setting_cells, settings)))


def _setting_cells(row: SettingRow) -> tuple[Cell, ...]:
    return (
        Text(row.label),
        str(len(row.seeds)),
        *map(_number, (row.bits_per_dim, row.standard_error)),
        row.images,
        *map(_number, (row.images_error, row.seeds_error)),
        *map(_number, (row.difference, row.difference_standard_error)),
        row.verdict,
    )


_RUNS = (
    *(Column("run", text=True), Column(SEED), Column("bits/dim"), Column("± s.e.")),
    *(Column("- best"), Column("± its s.e.", optional=1), Column("train s", optional=1)),
    Column("eval s", optional=1),
)


def _runs_table(estimator: str, runs: Sequence[RunRow]) -> Table:
    title = f"runs by {estimator} (errors of one run: of the images alone)"
    return table_of(title, _RUNS, list(map(_run_cells, runs)))


def _run_cells(row: RunRow) -> tuple[Cell, ...]:
    return (
        Text(row.setting),
        str(row.seed),
        *map(_number, (row.bits_per_dim, row.standard_error)),
        *map(_number, (row.difference, row.difference_standard_error)),
        *(_number(seconds, 0) for seconds in (row.train_seconds, row.eval_seconds)),
    )


def remarks(settings: Sequence[SettingRow]) -> list[str]:
    """What a reader of one estimator's settings must know: what the errors are of, and luck."""
    found = [_what_the_errors_are_of(settings)]
    if len(settings) > 1:
        best, others = settings[0], settings[1:]
        same = sum(row.told_apart is False for row in others)
        found.append(
            f"the lowest of {len(settings)} settings, compared on the {best.compared_images} "
            f"images that succeeded in all, is in part the luckiest, so that its "
            f"{best.bits_per_dim:.4f} is too low; {same} of the others "
            f"{'is' if same == 1 else 'are'} not told apart from it (at 5 % for all pairs of "
            "settings at once, the scatter of seeds taken to be alike in all)"
        )
    return found


def _what_the_errors_are_of(settings: Sequence[SettingRow]) -> str:
    if all(len(row.seeds) > 1 for row in settings):
        return (
            "standard errors are over images and seeds, crossed; differences are image by image "
            "and seed by seed"
        )
    one = sum(len(row.seeds) == 1 for row in settings)
    which = "all settings have" if one == len(settings) else f"{one} of the settings have"
    return (
        f"{which} one seed: their standard errors are over the images alone, and say nothing of "
        "what another seed would give"
    )


def show_failures(works: Sequence[Work]) -> None:
    """The last lines of the log of each run that has failed."""
    for work in works:
        record = work.folder.record(work.name)
        say(f"failed: {work.name}: {record.failure}; the end of {work.folder.log(work.name)}:")
        for line in work.folder.last_lines(work.name):
            say(f"    {line}")


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
