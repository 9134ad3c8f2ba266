"""Tables that fit the terminal: no number is cut, and a name is never shortened."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from gradlog.terminal.console import console

_AROUND = 3  # columns of the terminal that a column takes beside its text
_LEAST_TEXT = 10  # to which a column of text is folded, where it is longer

Cell = str | Text


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
      name: above it.
      text: on the left, and folded where there is no room; else numbers, which never are.
      optional: left out where there is no room, the highest first; 0 for never.
      whole: a text that should be in one line, to be copied: optional columns make room for it.
    """

    name: str
    text: bool = False
    optional: int = 0
    whole: bool = False

    def least(self, cells: Sequence[Cell]) -> int:
        """How narrow it can be with these below it."""
        longest = max(map(_length, (self.name, *cells)))
        return min(longest, _LEAST_TEXT) if self.text else longest

    def wanted(self, cells: Sequence[Cell]) -> int:
        """The same where optional columns can make room."""
        return max(map(_length, (self.name, *cells))) if self.whole else self.least(cells)


def table_of(title: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Table:
    """A table for the terminal; a line below it says which columns were left out.

    Optional columns are left out until the others have room, of those alike from the right.
    """
    below = [[row[place] for row in rows] for place in range(len(columns))]
    kept = _kept(columns, below)
    out = dict.fromkeys(each.name for place, each in enumerate(columns) if place not in kept)
    caption = f"no room for: {', '.join(out)}" if out else None
    table = Table(title=title, caption=caption)
    for place in kept:
        _add(table, columns[place], below[place])
    for row in rows:
        table.add_row(*(row[place] for place in kept))
    return table


def _kept(columns: Sequence[Column], below: Sequence[Sequence[Cell]]) -> list[int]:
    """The places of the columns for which there is room."""
    kept = list(range(len(columns)))
    optional = [place for place in kept if columns[place].optional]
    optional.sort(key=lambda place: columns[place].optional)
    while optional and _width([columns[i].wanted(below[i]) for i in kept]) > console.width:
        kept.remove(optional.pop())
    return kept


def _width(inner: Sequence[int]) -> int:
    return sum(inner) + _AROUND * len(inner) + 1


def _add(table: Table, column: Column, cells: Sequence[Cell]) -> None:
    table.add_column(
        column.name,
        justify="left" if column.text else "right",
        overflow="fold",
        no_wrap=not column.text,
        min_width=column.least(cells),
    )


def _length(cell: Cell) -> int:
    return cell.cell_len if isinstance(cell, Text) else cell_len(cell)
