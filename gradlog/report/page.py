"""The blocks of a page, and the page as one HTML document.

The blocks say what a page contains. The templates decide how each block looks, and escape its text.
"""

import copy
import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

TEXT, NUMBER, CODE = "text", "number", "code"


@dataclass(frozen=True)
class Paragraph:
    """A few sentences."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True)
class Note:
    """A warning, such as a damaged file or a part that cannot be shown."""

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True)
class Missing:
    """Something that does not exist yet, and the command that makes it."""

    kind: ClassVar[str] = "missing"
    text: str
    command: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of words and numbers.

    Attributes:
      title: the title, which screen readers announce too.
      columns: the name of each column, with TEXT, NUMBER or CODE.
      rows: a cell for each column.
      emphasized: the indices of the rows that stand out.
    """

    kind: ClassVar[str] = "table"
    title: str
    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[str]]
    emphasized: Sequence[int] = ()


@dataclass(frozen=True)
class Chart:
    """A picture in SVG, and a description of it in words."""

    kind: ClassVar[str] = "chart"
    title: str
    svg: ET.Element
    description: str


@dataclass(frozen=True)
class Picture:
    """An image with a caption.

    Attributes:
      uri: the image as ``data:image/...``.
      alt: a description in words.
      lines: the lines of the caption.
      small: whether the image has few pixels, which are drawn enlarged.
    """

    uri: str
    alt: str
    lines: Sequence[str] = ()
    small: bool = False


@dataclass(frozen=True)
class Gallery:
    """Several pictures. The size is 'small', 'medium' or 'large'."""

    kind: ClassVar[str] = "gallery"
    title: str
    pictures: Sequence[Picture]
    size: str = "medium"


@dataclass(frozen=True)
class Lines:
    """Literal text, such as commands or the end of a log."""

    kind: ClassVar[str] = "lines"
    text: str
    title: str = ""


@dataclass(frozen=True)
class Definitions:
    """Names and their values."""

    kind: ClassVar[str] = "definitions"
    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Columns:
    """Blocks side by side, if the page is wide enough."""

    kind: ClassVar[str] = "columns"
    blocks: Sequence["Block"]


@dataclass(frozen=True)
class Fold:
    """Blocks that the reader unfolds."""

    kind: ClassVar[str] = "fold"
    title: str
    blocks: Sequence["Block"]


Block = Paragraph | Note | Missing | Table | Chart | Gallery | Lines | Definitions | Columns | Fold


@dataclass(frozen=True)
class Tile:
    """One number in large type at the top of the page."""

    label: str
    value: str
    unit: str = ""
    details: Sequence[str] = ()


@dataclass(frozen=True)
class Section:
    """A titled part of a page."""

    title: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        """The id of the section within the page."""
        return "-".join(self.title.lower().split())


@dataclass(frozen=True)
class Page:
    """The contents of a page.

    Attributes:
      name: the name of the run or the sweep.
      kind: 'run' or 'sweep'.
      about: a description in one line.
      tiles: the most important numbers.
      sections: the other contents.
      footer: the folder and the date.
    """

    name: str
    kind: str
    about: str
    tiles: Sequence[Tile]
    sections: Sequence[Section]
    footer: str


def render_html(page: Page) -> str:
    """Return the page as one HTML document that contains its styles and pictures."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # A dotted name may break after a dot or an underscore.
    environment.filters["breakable"] = lambda name: Markup(
        re.sub(r"([._])(?=\w)", r"\1<wbr>", str(escape(name)))
    )
    numbers = itertools.count(1)
    environment.filters["with_own_ids"] = lambda svg: _render_svg(svg, f"chart{next(numbers)}-")
    return environment.get_template("page.html").render(page=page)


def _render_svg(svg: ET.Element, prefix: str) -> Markup:
    """Return a chart as markup, with a prefix before its ids that no other chart has."""
    svg = copy.deepcopy(svg)
    for element in svg.iter():
        for name, value in element.attrib.items():
            if name == "id":
                element.set(name, f"{prefix}{value}")
            elif name == "href":
                element.set(name, re.sub("^#", f"#{prefix}", value))
            else:
                element.set(name, value.replace("url(#", f"url(#{prefix}"))
    return Markup(ET.tostring(svg, encoding="unicode"))
