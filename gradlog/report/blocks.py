"""What a page says, piece by piece; the templates decide how each looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup

TEXT, NUMBER, CODE = "text", "number", "code"


@dataclass(frozen=True)
class Paragraph:
    """A few sentences."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True)
class Note:
    """What the reader must know of something that is damaged, or cannot be shown."""

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True)
class Missing:
    """What is not there yet, and the command that makes it."""

    kind: ClassVar[str] = "missing"
    text: str
    command: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of words and numbers.

    Attributes:
      title: what they are, for those who see it and those who hear it.
      columns: the name of each, with TEXT, NUMBER or CODE.
      rows: a cell for each column.
      emphasized: the numbers of the rows that stand out.
    """

    kind: ClassVar[str] = "table"
    title: str
    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[str]]
    emphasized: Sequence[int] = ()


@dataclass(frozen=True)
class Chart:
    """A picture in SVG; ``description`` says in words what it shows."""

    kind: ClassVar[str] = "chart"
    title: str
    svg: Markup
    description: str


@dataclass(frozen=True)
class Picture:
    """An image as a data URI, with the lines below it.

    Attributes:
      uri: ``data:image/...``.
      alt: what it shows.
      lines: of the caption.
      small: has few pixels, each of which is to be seen.
    """

    uri: str
    alt: str
    lines: Sequence[str] = ()
    small: bool = False


@dataclass(frozen=True)
class Gallery:
    """Pictures beside each other; ``size`` is 'small', 'medium' or 'large'."""

    kind: ClassVar[str] = "gallery"
    title: str
    pictures: Sequence[Picture]
    size: str = "medium"


@dataclass(frozen=True)
class Lines:
    """Commands, or the end of a log, as they are."""

    kind: ClassVar[str] = "lines"
    text: str
    title: str = ""


@dataclass(frozen=True)
class Definitions:
    """Names, each with what it stands for."""

    kind: ClassVar[str] = "definitions"
    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Columns:
    """Blocks beside each other where there is room."""

    kind: ClassVar[str] = "columns"
    blocks: Sequence["Block"]


@dataclass(frozen=True)
class Fold:
    """Blocks that are shown when asked for."""

    kind: ClassVar[str] = "fold"
    title: str
    blocks: Sequence["Block"]


Block = Paragraph | Note | Missing | Table | Chart | Gallery | Lines | Definitions | Columns | Fold


@dataclass(frozen=True)
class Tile:
    """One number in large type."""

    label: str
    value: str
    unit: str = ""
    details: Sequence[str] = ()


@dataclass(frozen=True)
class Section:
    """A part of a page under its title."""

    title: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        """Its address within the page."""
        return "-".join(self.title.lower().split())


@dataclass(frozen=True)
class Page:
    """All that a page says.

    Attributes:
      name: of the run or the sweep.
      kind: 'run' or 'sweep'.
      about: what it is, in a line.
      tiles: the numbers that come first.
      sections: the rest.
      made: when and by what the page was written.
    """

    name: str
    kind: str
    about: str
    tiles: Sequence[Tile]
    sections: Sequence[Section]
    made: str
