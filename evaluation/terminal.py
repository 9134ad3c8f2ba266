"""What a run says on the terminal: bars where someone watches, lines where it is piped."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import IO, cast

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
from rich.text import Text


class _Output:
    """Standard output; where it takes nothing any more, the work goes on without it."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        self._try(lambda: sys.stdout.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(sys.stdout.flush)

    def isatty(self) -> bool:
        return sys.stdout.isatty()

    def fileno(self) -> int:
        return sys.stdout.fileno()

    @staticmethod
    def _try(act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            # A pipe whose reader has gone, a full disk: not worth weeks of training.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            with contextlib.suppress(OSError):
                sys.stderr.write(
                    f"note: standard output takes nothing any more ({error.strerror}); the work "
                    "goes on without it\n"
                )


console = Console(file=cast(IO[str], _Output()), highlight=False, soft_wrap=True)
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
