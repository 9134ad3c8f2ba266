"""Text that is made to be read: as wide as a page, indented, through a pager where it is long."""

import os
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gradlog.terminal import console

_PAGE = 100  # columns: longer lines are hard to read
_NAME = "cyan"  # what can be typed


def heading(text: str) -> Text:
    """The title of a part, with a line before it."""
    return Text(f"\n{text}", style="bold")


def typed(text: str) -> Text:
    """What can be typed as it is."""
    return Text(text, style=_NAME)


def indented(item: RenderableType, columns: int = 2) -> RenderableType:
    """Further to the right."""
    return Padding(item, (0, 0, 0, columns), expand=False)


def listed(rows: Iterable[tuple[str, str]], width: int = 0) -> RenderableType:
    """Names, and beside each what it is.

    Args:
      rows: name and text of each.
      width: of the names' column; 0 for that of the longest.
    """
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, min_width=width or None)
    grid.add_column()
    for name, text in rows:
        grid.add_row(typed(name), Text(text))
    return indented(grid)


def show(parts: Iterable[RenderableType]) -> None:
    """On the terminal, page by page where somebody watches."""
    page = Group(*parts)
    if console.is_terminal:
        os.environ.setdefault("LESS", "-RFX")  # colors; at once where all fits on the screen
        with console.pager(styles=not console.no_color):
            _print(page)
        return
    with console.capture() as captured:
        _print(page)
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _print(page: RenderableType) -> None:
    width = min(console.width, _PAGE)
    console.print(page, width=width, soft_wrap=False, markup=False)
