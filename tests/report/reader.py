"""Read the sections, tables and pictures of a page with a strict parser."""

import base64
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import cached_property

import html5lib
import numpy as np
from PIL import Image

_MINUS, _NOTHING = "−", "–"


@dataclass(frozen=True)
class Read:
    """A parsed page. Invalid HTML is a ``ParseError``."""

    source: str

    @cached_property
    def root(self) -> ET.Element:
        parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
        return parser.parse(self.source)

    @property
    def text(self) -> str:
        """The words of the page without the style."""
        return _text(self.root.find("body"))

    def all(self, name: str) -> list[ET.Element]:
        """Return all elements with a name; for SVG the name includes its namespace."""
        return list(self.root.iter(name))

    def of_class(self, name: str) -> list[str]:
        """Return the words of each element of a class."""
        return [_text(e) for e in self.root.iter() if name in e.get("class", "").split()]

    def sections(self) -> dict[str, str]:
        """Return the words of each section by its title."""
        return {_text(e.find("h2")): _text(e) for e in self.all("section")}

    def table(self, title: str) -> list[dict[str, str]]:
        """Return the rows of the first table whose title starts like this, by column."""
        found = next(e for e in self.all("table") if e.get("aria-label", "").startswith(title))
        names = [_text(e) for e in found.iter("th")]
        rows = [[_text(cell) for cell in row.iter("td")] for row in found.find("tbody").iter("tr")]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def gallery(self, title: str) -> list[tuple[np.ndarray, list[str]]]:
        """Return the pictures of a gallery as arrays, with their captions."""
        for figure in self.all("figure"):
            if _text(figure.find("figcaption")) == title:
                return [
                    (image_of(item.find("img")), [_text(line) for line in item.iter("span")])
                    for item in figure.iter("li")
                ]
        raise AssertionError(f"no gallery {title!r}")

    def command_lines(self) -> list[str]:
        """Return all commands."""
        whole = "\n".join(_raw(e) for e in self.all("code")).replace("\\\n", " ")
        return [line for line in whole.splitlines() if line.startswith("python ")]


def number(text: str) -> float:
    """Parse a number, such as the first one of ``1.2 ± 0.1``."""
    first = text.split("±")[0].strip().replace(_MINUS, "-")
    return float("nan") if first == _NOTHING else float(first)


def error(text: str) -> float:
    """Parse the second number of ``1.2 ± 0.1``."""
    return number(text.split("±")[1])


def image_of(element: ET.Element) -> np.ndarray:
    head, _, data = element.get("src", "").partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def _raw(element: ET.Element) -> str:
    return "".join(element.itertext())


def _text(element: ET.Element | None) -> str:
    return "" if element is None else re.sub(r"[ \n]+", " ", _raw(element)).strip()
