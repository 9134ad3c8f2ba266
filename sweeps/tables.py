"""A sweep on the terminal: what is to be run, and what was found."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from evaluation.terminal import console, say
from sweeps.folder import BEGUN, FAILED, SweepFolder
from sweeps.plan import SEED, Plan, PlannedRun
from sweeps.results import RunRow, SettingRow, SweepResults
from sweeps.work import Work

_STATES = {BEGUN: "begun", FAILED: "failed, is tried again"}


def show_plan(folder: SweepFolder, plan: Plan, works: Sequence[Work]) -> None:
    """A row for each run: its overrides, and how far it is."""
    keys = plan.keys
    title = plan.title.rstrip(".") or plan.file
    table = _table(f"{title}: {len(works)} runs", ["run", *keys, "state"], 0)
    for run, work in zip(plan.runs, works, strict=True):
        table.add_row(run.name, *_values(plan, run), _state(folder, work))
    console.print(table)


def _values(plan: Plan, run: PlannedRun) -> list[Text]:
    return [Text(plan.shown(run.overrides, key)) for key in plan.keys]


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


def _settings_table(estimator: str, settings: Sequence[SettingRow]) -> Table:
    columns = [
        "setting",
        "seeds",
        "bits/dim",
        "± s.e.",
        "of images",
        "of seeds",
        "- best",
        "± s.e.",
        "",
    ]
    table = _table(f"settings by {estimator}", columns, 0)
    for row in settings:
        table.add_row(
            Text(row.label),
            str(len(row.seeds)),
            *map(_number, (row.bits_per_dim, row.standard_error, row.images_error)),
            _number(row.seeds_error),
            *map(_number, (row.difference, row.difference_standard_error)),
            _verdict(row),
        )
    return table


def _runs_table(estimator: str, runs: Sequence[RunRow]) -> Table:
    columns = ["run", SEED, "bits/dim", "± s.e.", "- best", "± s.e.", "train s", "eval s"]
    table = _table(f"runs by {estimator} (errors of one run: of the images alone)", columns, 0)
    for row in runs:
        table.add_row(
            Text(row.setting),
            str(row.seed),
            *map(_number, (row.bits_per_dim, row.standard_error)),
            *map(_number, (row.difference, row.difference_standard_error)),
            *(_number(seconds, 0) for seconds in (row.train_seconds, row.eval_seconds)),
        )
    return table


def _verdict(row: SettingRow) -> str:
    if row.told_apart is None:
        return "best" if row.difference == 0.0 else ""
    return "worse" if row.told_apart else "not told apart"


def remarks(settings: Sequence[SettingRow]) -> list[str]:
    """What a reader of one estimator's settings must know: what the errors are of, and luck."""
    found = [_what_the_errors_are_of(settings)]
    if len(settings) > 1:
        best, others = settings[0], settings[1:]
        same = sum(row.told_apart is False for row in others)
        found.append(
            f"the lowest of {len(settings)} settings compared on the same {best.num_images} images "
            f"is in part the luckiest, so that its {best.bits_per_dim:.4f} is too low; {same} of "
            f"the others {'is' if same == 1 else 'are'} not told apart from it (at 5 % for all "
            "comparisons at once, the scatter of seeds taken to be alike in all settings)"
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
        for line in work.last_lines():
            say(f"    {line}")


def _table(title: str, columns: Sequence[str], left: int) -> Table:
    table = Table(title=title)
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place == left or not name else "right")
    return table


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
