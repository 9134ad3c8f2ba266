"""Figures as SVG that takes its colors and its width from the page."""

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.colors import TABLEAU_COLORS, to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

WIDTH = 4.6  # inches: 331 points, a column of a telephone; text is then as large as the page's
_FONT = 10.5  # points: of the smallest text
_INK, _GRID = "#010203", "#040506"  # stand for colors of the page that only the browser knows
_SETTINGS: dict[Any, Any] = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor"), _INK),
    **dict.fromkeys(("xtick.color", "ytick.color", "xtick.labelcolor", "ytick.labelcolor"), _INK),
    "grid.color": _GRID,
    "grid.alpha": 1.0,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": _FONT,
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
}
_SILENT = dict.fromkeys(("Date", "Creator", "Format", "Type"))
_COLORS = (
    {_INK: "currentColor", "#000000": "currentColor", _GRID: "var(--line)"}
    | {
        **{"#0072b2": "var(--series-1)", "#56b4e9": "var(--series-10)"},  # Okabe and Ito's
        **{"#d55e00": "var(--series-2)", "#767676": "var(--soft)"},
    }
    | {to_hex(color): f"var(--series-{i})" for i, color in enumerate(TABLEAU_COLORS.values(), 1)}
)


def svg_of(draw: Callable[[], Figure], prefix: str, height: float = 0.0) -> Markup:
    """A figure as an ``<svg>`` element for a page of HTML.

    Ink becomes the page's text color, Matplotlib's first ten colors its ``--series-1`` and so on,
    the background is left out, and text stays text.

    Args:
      draw: makes the figure, of default colors.
      prefix: of all its ids, which must be one of a kind in the page.
      height: inches; 0 for that of the figure as it is made, scaled with its width.
    """
    with mpl.rc_context(_SETTINGS):
        figure = draw()
        for text in figure.findobj(Text):
            text.set_fontsize(max(text.get_fontsize(), _FONT))  # pyright: ignore
        width, own_height = figure.get_size_inches()
        figure.set_size_inches(WIDTH, height or own_height * WIDTH / width)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata=_SILENT, transparent=True)
    return Markup(_of_page(_element(file.getvalue()), prefix))


def _element(document: str) -> str:
    """The root element, without what the page has: prologue, metadata, styles, names, size."""
    element = document[document.index("<svg") :]
    for name in ("metadata", "style"):
        element = re.sub(rf"<{name}\b.*?</{name}>", "", element, flags=re.DOTALL)
    head, rest = element.split(">", 1)
    head = re.sub(r'\s(xmlns(:\w+)?|width|height|version)="[^"]*"', "", head)
    return f"{head}>{rest}".replace("xlink:href", "href")


def _of_page(element: str, prefix: str) -> str:
    element = re.sub(r'\bid="', f'id="{prefix}-', element)
    element = re.sub(r'(href="|url\()#', rf"\1#{prefix}-", element)
    for color, variable in _COLORS.items():
        element = element.replace(color, variable)
    return element.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)
