"""Standard output as everything here writes to it."""

import contextlib
import os
import sys
from collections.abc import Callable
from typing import IO, cast

from rich.console import Console, ConsoleDimensions

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


def say(line: str) -> None:
    """One line for the reader."""
    console.print(line, markup=False)
