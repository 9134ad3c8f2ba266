"""Print lines, tables and progress: bars on a terminal, a line every half minute in a pipe."""

import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, cast

from rich.cells import cell_len
from rich.console import Console, ConsoleDimensions
from rich.markup import escape
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
from rich.table import Table
from rich.text import Text

Update = Callable[[int, str], None]
COMPILING = "compiling ..."

_PIPED_WIDTH = 1000  # columns; a table in a pipe is never cut
_QUIET_SECONDS = 30.0  # between two lines of progress in a pipe
_BURST_SECONDS = 1.0  # batches that an earlier process finished arrive at once and have no rate
_MIN_SECONDS = 3.0  # of measured work before a time left is shown
_WINDOW = 30  # updates in the measured rate, one second or more apart
_SLOW = 0.1  # per second; slower work shows the time for one item
_COLUMN_PADDING = 3  # columns of the terminal beside the text of a table's column
_MIN_TEXT_WIDTH = 10  # longer text can be folded to this width


# --- the console ----------------------------------------------------------------------------


class _Output:
    """A standard stream. If a write fails or there is no such stream, the work continues.

    Characters that its encoding lacks are replaced.
    """

    def __init__(self, name: str):
        self._name = name

    @property
    def encoding(self) -> str:
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def _stream(self) -> IO[str] | None:
        # A progress bar replaces sys.stdout with a proxy that writes to this console again.
        stream = getattr(sys, self._name)
        return getattr(stream, "rich_proxied_file", stream)

    def write(self, text: str) -> int:
        shown = text.encode(self.encoding, "replace").decode(self.encoding)
        self._try(lambda stream: stream.write(shown))
        return len(text)

    def flush(self) -> None:
        self._try(lambda stream: stream.flush())

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        if self._stream is None:
            raise OSError(f"there is no {self._name}")
        return self._stream.fileno()

    def _try(self, act: Callable[[IO[str]], object]) -> None:
        stream = self._stream
        if stream is None:
            return
        try:
            act(stream)
        except OSError as error:
            # A closed pipe or a full disk must not end weeks of training.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if self is not _errors:
                complain(
                    f"note: cannot write to standard output ({error.strerror}); the work "
                    "continues without it"
                )


def open_standard_streams() -> None:
    """Open the null device as each standard stream that is closed, as some daemons have them.

    Otherwise the next file would get the number of a stream, and what a library prints would be
    written into it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is its own
            os.set_inheritable(handle, True)
            setattr(sys, name, os.fdopen(handle, mode, encoding="utf-8", errors="replace"))


class _Console(Console):
    """A console as wide as the terminal, or as wide as its text in a pipe."""

    @property
    def size(self) -> ConsoleDimensions:
        if self.is_terminal or self._width is not None:  # set by COLUMNS
            return super().size
        return ConsoleDimensions(_PIPED_WIDTH, 25)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size


console = _Console(file=cast(IO[str], _Output("stdout")), highlight=False, soft_wrap=True)
_errors = _Output("stderr")


def say(line: str) -> None:
    """Print one line."""
    console.print(printable(line), markup=False)


def printable(text: str) -> str:
    r"""Return text with escapes in the place of all that a terminal would obey or can't encode.

    Names of files and the texts in them are a stranger's: they may hold control characters, or
    bytes without an encoding, which Python reads as lone surrogates.

    >>> print(printable("a \x1b[2J b \udcff cé"))
    a \x1b[2J b \udcff cé
    """
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def complain(line: str) -> None:
    """Print one line on standard error."""
    _errors.write(f"{printable(line)}\n")
    _errors.flush()


# --- progress -------------------------------------------------------------------------------


class Pace:
    """Measure the rate of work from updates of its progress.

    The measurement begins with the first update. What came before it is compilation, or work that
    an earlier process finished.
    """

    def __init__(self) -> None:
        self._updates: deque[tuple[float, int]] = deque(maxlen=_WINDOW)
        self._start, self._newest = 0.0, (0.0, 0)

    @staticmethod
    def now() -> float:
        """Return the seconds of a monotonic clock."""
        return time.monotonic()

    def update(self, done: int) -> float:
        """Record how much is done, and return the time of the record."""
        now = self.now()
        self._newest = (now, done)
        if not self._updates:
            self._start = now
        if now - self._start < _BURST_SECONDS:
            self._updates.clear()
        if not self._updates or now - self._updates[-1][0] >= _BURST_SECONDS:
            self._updates.append(self._newest)
        return now

    @property
    def rate(self) -> float | None:
        """The recent rate per second; None while it is unknown."""
        if not self._updates:
            return None
        (then, before), (now, done) = self._updates[0], self._newest
        return (done - before) / (now - then) if done > before and now > then else None

    @property
    def speed(self) -> str:
        """The rate as text, or the time for one item where it is slow; '' while unknown."""
        if not self.rate:
            return ""
        if self.rate >= _SLOW:
            return f"{self.rate:.3g}/s"
        return f"{format_duration(1 / self.rate)} each"

    def left(self, total: int) -> str:
        """Return the remaining time as text; '' while it is not known well enough."""
        now, done = self._newest
        if self.rate is None or now - self._updates[0][0] < _MIN_SECONDS:
            return ""
        return f"{format_duration((total - done) / self.rate)} left"


def format_duration(seconds: float) -> str:
    """Return a duration as text.

    >>> [format_duration(seconds) for seconds in (69, 720, 12_240, 216_000)]
    ['69 s', '12 min', '3.4 h', '2.5 days']
    """
    for unit, length, most, digits in (("s", 1, 120, 0), ("min", 60, 120, 0), ("h", 3600, 48, 1)):
        if seconds < most * length:
            return f"{seconds / length:.{digits}f} {unit}"
    return f"{seconds / 86400:.1f} days"


@contextlib.contextmanager
def progress(
    title: str, start: int, total: int, first: str = COMPILING, *, unit: str = ""
) -> Iterator[Update]:
    """Show progress, and yield ``update(done, note)``.

    Args:
      title: the text before the bar.
      start: how much is done already.
      total: how much there is to do.
      first: the note before the first update.
      unit: what is counted.
    """
    pace, title = Pace(), printable(title)
    if not console.is_terminal:
        yield _print_now_and_then(title, total, unit, pace)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn(unit, markup=False),
        TimeElapsedColumn(),
        _PaceColumn(lambda done, total: pace.speed),
        _PaceColumn(lambda done, total: pace.left(total) if done < total else ""),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=total, completed=start, note=first)

        def update(done: int, note: str) -> None:
            pace.update(done)
            bar.update(task, completed=done, note=printable(note))

        yield update


class _PaceColumn(ProgressColumn):
    """A column of a bar that changes at most twice a second."""

    max_refresh = 0.5

    def __init__(self, text: Callable[[float, int], str]) -> None:
        super().__init__()
        self._text = text

    def render(self, task: Task) -> Text:
        return Text(self._text(task.completed, int(task.total or 0)))


def _print_now_and_then(title: str, total: int, unit: str, pace: Pace) -> Update:
    last = pace.now()

    def update(done: int, note: str) -> None:
        nonlocal last
        now = pace.update(done)
        if now - last < _QUIET_SECONDS:
            return
        last = now
        parts = [f"{title} {done}/{total} {unit}".rstrip(), pace.speed, pace.left(total)]
        say(f"{', '.join(filter(None, parts))} {note}".rstrip())

    return update


@contextlib.contextmanager
def working(title: str) -> Iterator[None]:
    """Show a spinner and the elapsed time for work of unknown length; nothing in a pipe."""
    if not console.is_terminal:
        yield
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description} ...", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as spinner:
        spinner.add_task(printable(title), total=None)
        yield


# --- tables ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
      name: the header.
      text: True aligns left and folds long cells; False is for numbers, which are never cut.
      optional: 0 is always shown. On a narrow terminal the highest number disappears first.
      whole: keep the text on one line, so that it can be copied, and drop optional columns for it.
    """

    name: str
    text: bool = False
    optional: int = 0
    whole: bool = False

    def min_width(self, cells: Sequence[str]) -> int:
        """Return the smallest possible width with these cells."""
        longest = max(map(cell_len, (self.name, *cells)))
        return min(longest, _MIN_TEXT_WIDTH) if self.text else longest

    def wanted_width(self, cells: Sequence[str]) -> int:
        """Return the width for which optional columns disappear."""
        return max(map(cell_len, (self.name, *cells))) if self.whole else self.min_width(cells)


def show_rows(title: str, columns: Mapping[Column, Callable[[Any], str]], rows: Iterable) -> None:
    """Print a table of items. Each column has a function that returns its cell of an item."""
    cells = [[cell(row) for cell in columns.values()] for row in rows]
    console.print(table_of(title, tuple(columns), cells))


def table_of(title: str, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table that fits the terminal. A line below it names the columns left out."""
    rows = [[printable(cell) for cell in row] for row in rows]
    cells = [[row[place] for row in rows] for place in range(len(columns))]
    shown = list(range(len(columns)))
    optional = sorted(
        (place for place in shown if columns[place].optional),
        key=lambda place: columns[place].optional,
    )

    def width() -> int:
        wanted = sum(columns[place].wanted_width(cells[place]) for place in shown)
        return wanted + _COLUMN_PADDING * len(shown) + 1

    while optional and width() > console.width:
        shown.remove(optional.pop())
    left_out = dict.fromkeys(each.name for place, each in enumerate(columns) if place not in shown)
    caption = f"columns left out: {', '.join(left_out)}" if left_out else None
    table = Table(title=escape(printable(title)), caption=caption and escape(printable(caption)))
    for place in shown:
        column = columns[place]
        table.add_column(
            Text(printable(column.name)),
            justify="left" if column.text else "right",
            overflow="fold",
            no_wrap=not column.text,
            min_width=column.min_width(cells[place]),
        )
    for row in rows:
        table.add_row(*(Text(row[place]) for place in shown))  # no markup
    return table
