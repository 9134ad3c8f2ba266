"""What a run says on the terminal: bars where someone watches, lines where it is piped."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

console = Console(highlight=False, soft_wrap=True)
Update = Callable[[int, str], None]
_QUIET_SECONDS = 30.0  # between two lines where output is piped


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.3g}/s" if task.speed else "")


def say(line: str) -> None:
    """One line for the reader."""
    console.print(line, markup=False)


def _lines(title: str, start: int, total: int) -> Update:
    began = said = time.monotonic()

    def update(done: int, note: str) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said < _QUIET_SECONDS:
            return
        said = now
        rate = (done - start) / (now - began)
        left = f", {(total - done) / rate:.0f} s left" if rate > 0 else ""
        say(f"{title} {done}/{total}, {rate:.3g}/s{left} {note}".rstrip())

    return update


@contextlib.contextmanager
def progress(title: str, start: int, total: int) -> Iterator[Update]:
    """Yields ``update(done, note)``: a bar with rate and time left, lines if piped."""
    if not console.is_terminal:
        yield _lines(title, start, total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=total, completed=start, note="")
        yield lambda done, note: bar.update(task, completed=done, note=note)


def show_results(results: list[dict[str, Any]]) -> None:
    """A row per result, and below it the account of the bits of each."""
    table = Table(title="bits per dimension")
    for name in ("step", "estimator", "bits/dim", "± s.e.", "± estimator", "images", "NFE", "s"):
        table.add_column(name, justify="left" if name == "estimator" else "right")
    for result in results:
        table.add_row(
            str(result["step"]),
            result["estimator"],
            _number(result["bits_per_dim"], 4),
            _number(result["standard_error"], 4),
            _number(result["estimator_standard_error"], 4),
            str(result["num_images"]),
            _number(result["nfe"], 0),
            _number(result["seconds"], 1),
        )
    console.print(table)
    for result in results:
        console.print(_account_table(result))


def _account_table(result: dict[str, Any]) -> Table:
    table = Table(title=f"account of {result['estimator']} at step {result['step']}")
    for name in ("term", "bits/dim", "± s.e.", "nats"):
        table.add_column(name, justify="left" if name == "term" else "right")
    for line in result["account"]:
        table.add_row(
            line["term"],
            _number(line["bits_per_dim"], 4),
            _number(line["standard_error"], 4),
            _number(line["nats"], 2),
        )
    return table


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"
