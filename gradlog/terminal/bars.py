"""How far work is: bars where someone watches, lines where it is piped."""

import contextlib
from collections.abc import Callable, Iterator

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from gradlog.terminal.console import console, say
from gradlog.terminal.pace import Pace, in_words

Update = Callable[[int, str], None]
COMPILING = "compiling ..."
_QUIET_SECONDS = 30.0  # between two lines where output is piped
_SLOW = 0.1  # per second


class _Rate(ProgressColumn):
    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        return Text(_speed(task.fields["pace"].rate))


class _Left(ProgressColumn):
    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        total = int(task.total or 0)
        return Text(task.fields["pace"].left(total) if task.completed < total else "")


def _speed(rate: float | None) -> str:
    """Where it is slow, the time that one takes; '' where it is not known."""
    if not rate:
        return ""
    return f"{rate:.3g}/s" if rate >= _SLOW else f"{in_words(1 / rate)} each"


def _lines(title: str, total: int, unit: str, pace: Pace) -> Update:
    said = pace.now()

    def update(done: int, note: str) -> None:
        nonlocal said
        now = pace.tell(done)
        if now - said < _QUIET_SECONDS:
            return
        said = now
        told = [
            f"{title} {done}/{total} {unit}".rstrip(),
            _speed(pace.rate),
            pace.left(total),
        ]
        say(f"{', '.join(filter(None, told))} {note}".rstrip())

    return update


@contextlib.contextmanager
def progress(
    title: str, start: int, total: int, first: str = COMPILING, *, unit: str = ""
) -> Iterator[Update]:
    """Yields ``update(done, note)``: a bar with rate and time left, lines if piped.

    Args:
      title: of the bar.
      start: how much is done already.
      total: how much is to be done.
      first: what is being done until the first update.
      unit: what is counted.
    """
    pace = Pace()
    if not console.is_terminal:
        yield _lines(title, total, unit, pace)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn(unit, markup=False),
        TimeElapsedColumn(),
        _Rate(),
        _Left(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=total, completed=start, note=first, pace=pace)

        def update(done: int, note: str) -> None:
            pace.tell(done)
            bar.update(task, completed=done, note=note)

        yield update


@contextlib.contextmanager
def working(title: str) -> Iterator[None]:
    """Says that work of unknown length goes on, with the time it has taken; nothing if piped."""
    if not console.is_terminal:
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description} ..."), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as spinner:
        spinner.add_task(title, total=None)
        yield
