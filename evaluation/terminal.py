"""What a run says on the terminal: bars where someone watches, lines where it is piped."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import IO, cast

from rich.console import Console, ConsoleDimensions
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

from evaluation.pace import Pace, in_words

_QUIET_SECONDS = 30.0  # between two lines where output is piped
_SLOW = 0.1  # per second
_PIPED_WIDTH = 1000  # columns, of a table that is piped: none is cut


def _stdout() -> IO[str]:
    """Standard output, and not what a bar puts in its place: that writes to our console again."""
    return getattr(sys.stdout, "rich_proxied_file", sys.stdout)


class _Output:
    """Standard output; where it takes nothing any more, the work goes on without it."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        self._try(lambda: _stdout().write(text))
        return len(text)

    def flush(self) -> None:
        self._try(lambda: _stdout().flush())

    def isatty(self) -> bool:
        return _stdout().isatty()

    def fileno(self) -> int:
        return _stdout().fileno()

    @staticmethod
    def _try(act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            # A pipe whose reader has gone, a full disk: not worth weeks of training.
            os.dup2(os.open(os.devnull, os.O_WRONLY), _stdout().fileno())
            with contextlib.suppress(OSError):
                sys.stderr.write(
                    f"note: standard output takes nothing any more ({error.strerror}); the work "
                    "goes on without it\n"
                )


class _Console(Console):
    """As wide as the terminal; where output is piped as wide as what is said."""

    @property
    def size(self) -> ConsoleDimensions:
        if self.is_terminal or self._width is not None:  # given by COLUMNS
            return super().size
        return ConsoleDimensions(_PIPED_WIDTH, 25)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size


console = _Console(file=cast(IO[str], _Output()), highlight=False, soft_wrap=True)
Update = Callable[[int, str], None]
COMPILING = "compiling ..."


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


def say(line: str) -> None:
    """One line for the reader."""
    console.print(line, markup=False)


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
