"""Charts and images inside a page: figures as SVG in the page's colors, images as data URIs."""

import base64
import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.colors import TABLEAU_COLORS, to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from gradlog.report.formatting import format_with_error
from gradlog.storage.files import read_bytes

WIDTH = 4.6  # inches: 331 points, a column on a telephone. Text is then as large as the page's.
_MIN_FONT = 10.5  # points
_INK, _GRID = "#010203", "#040506"  # placeholders for colors that only the browser knows
_SETTINGS: dict[Any, Any] = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor"), _INK),
    **dict.fromkeys(("xtick.color", "ytick.color", "xtick.labelcolor", "ytick.labelcolor"), _INK),
    "grid.color": _GRID,
    "grid.alpha": 1.0,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": _MIN_FONT,
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name with dollar signs is no formula
    "svg.hashsalt": "report",
}
# Colors of Matplotlib, and those of Okabe and Ito in the chart of a sweep, in terms of the page.
_COLORS = {
    _INK: "currentColor",
    "#000000": "currentColor",
    _GRID: "var(--line)",
    "#0072b2": "var(--series-1)",
    "#56b4e9": "var(--series-10)",
    "#d55e00": "var(--series-2)",
    "#767676": "var(--soft)",
    **{to_hex(color): f"var(--series-{i})" for i, color in enumerate(TABLEAU_COLORS.values(), 1)},
}
_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_GAIN, _COST, _TOTAL = "C2", "C1", "C0"
GAMMA = "gamma_"  # begins the names of metrics of a learned schedule
LEVEL_LOSS = "loss_at_rho_"  # begins the names of held-out losses by noise level
_MAX_SIDE = 960  # pixels: larger than a picture on the page
_MAX_PIXELS = 2**26  # of a file: 200 MB in memory


def render_svg(draw: Callable[[], Figure], height: float = 0.0) -> ET.Element:
    """Return a figure as an ``<svg>`` element for a page of HTML.

    Black becomes the page's text color, and Matplotlib's first ten colors become ``--series-1`` to
    ``--series-10``. The background is transparent, and text stays text, letter by letter.

    Args:
      draw: returns the figure, drawn in default colors.
      height: the height in inches; 0 keeps the figure's proportions.
    """
    with mpl.rc_context(_SETTINGS):
        figure = draw()
        for text in figure.findobj(Text):
            text.set_fontsize(max(text.get_fontsize(), _MIN_FONT))  # pyright: ignore
        width, own_height = figure.get_size_inches()
        figure.set_size_inches(WIDTH, height or own_height * WIDTH / width)
        file = io.StringIO()
        no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        # The browser has its own fonts, whatever letters Matplotlib's font lacks.
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            figure.savefig(file, format="svg", metadata=no_metadata, transparent=True)
    root = ET.fromstring(_NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", file.getvalue()))
    # What the page itself defines is left out: styles, namespaces, the size.
    for parent in list(root.iter()):
        for child in [each for each in parent if each.tag in (f"{_SVG}metadata", f"{_SVG}style")]:
            parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        element.attrib = {
            name.removeprefix(_XLINK): _replace_colors(value)
            for name, value in element.attrib.items()
        }
    for name in ("width", "height", "version"):
        del root.attrib[name]
    root.attrib |= {"aria-hidden": "true", "focusable": "false"}
    return root


def _replace_colors(value: str) -> str:
    for color, variable in _COLORS.items():
        value = value.replace(color, variable)
    return value


def draw_account(
    lines: Sequence[dict[str, Any]], total: float, error: float | None, unit: str
) -> Figure:
    """Draw every term of an account as a bar with its standard error, and their sum.

    Args:
      lines: terms of ``bits_per_dim.json`` with ``term``, ``bits_per_dim``, ``standard_error``.
      total: their sum.
      error: the standard error of the sum.
      unit: what these bits are called.
    """
    names = [*(line["term"] for line in lines), "sum"]
    values = np.array([*(line["bits_per_dim"] for line in lines), total], float)
    errors = np.array([*(line["standard_error"] or 0.0 for line in lines), error or 0.0], float)
    figure = Figure(figsize=(4.6, 0.6 + 0.34 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    rows = np.arange(len(names))[::-1]
    colors = [*(_COST if value > 0 else _GAIN for value in values[:-1]), _TOTAL]
    ink = axes.spines["left"].get_edgecolor()
    axes.barh(rows, values, xerr=errors, height=0.62, color=colors, ecolor=ink, capsize=2)
    axes.axvline(0, linewidth=0.8, color=ink)
    for row, value, own in zip(rows, values, errors, strict=True):
        label = format_with_error(value, own, 3)
        axes.text(1.02, row, label, transform=axes.get_yaxis_transform(), va="center")
    axes.set_yticks(rows, names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel(f"{unit} (± standard error)")
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    return figure


def draw_histogram(bits: Float[np.ndarray, " n"], unit: str) -> Figure:
    """Draw a histogram of the bits of single images, with their mean."""
    figure = Figure(figsize=(4.6, 2.4), layout="constrained")
    axes = figure.add_subplot()
    axes.hist(bits, bins=min(40, max(8, round(2 * len(bits) ** 0.5))), color=_TOTAL)
    axes.axvline(float(np.mean(bits)), color=_COST, label=f"mean {np.mean(bits):.3f}")
    axes.set_xlabel(f"{unit} of one image")
    axes.set_ylabel("images")
    axes.legend()
    return figure


def draw_schedule(records: Sequence[dict[str, Any]], names: Sequence[str]) -> Figure:
    """Draw gamma at several times over the steps of a training.

    Args:
      records: of ``metrics.jsonl``.
      names: of the metrics, ``gamma_0.25`` for gamma at t = 0.25.
    """
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name in reversed(names):  # the largest on top, as in the chart
        points = [(r["step"], r[name]) for r in records if r.get(name) is not None]
        label = f"t = {name.removeprefix(GAMMA)}"
        axes.plot(*zip(*points, strict=True), label=label, marker="." if len(points) < 40 else "")
    axes.set_xlabel("step")
    axes.set_ylabel("gamma")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    axes.grid()
    return figure


def draw_level_losses(records: Sequence[dict[str, Any]], names: Sequence[str]) -> Figure:
    """Draw the held-out loss over noise levels at the first, the middle and the last measurement.

    Args:
      records: of ``metrics.jsonl``.
      names: of the metrics, ``loss_at_rho_0.25`` for the levels around rho = 0.25.
    """
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    measured = [record for record in records if None not in map(record.get, names)]
    rho = [float(name.removeprefix(LEVEL_LOSS)) for name in names]
    for i in dict.fromkeys((0, len(measured) // 2, len(measured) - 1)):
        losses = [measured[i][name] for name in names]
        axes.plot(rho, losses, marker=".", label=f"step {measured[i]['step']}")
    axes.set_xscale("log")
    axes.set_xlabel("noise rho")
    axes.set_ylabel("loss (nats / dimension)")
    axes.legend()
    axes.grid()
    return figure


def draw_points(x: Float[np.ndarray, "n 2"], bits: Float[np.ndarray, " n"]) -> Figure:
    """Draw points of the plane, colored by their bits/dim."""
    figure = Figure(figsize=(4.6, 3.8), layout="constrained")
    axes = figure.add_subplot(aspect="equal")
    scatter = axes.scatter(*x.T, c=bits, s=9, cmap="viridis")
    figure.colorbar(scatter, ax=axes, label="bits/dim", shrink=0.8)
    return figure


def load_image_uri(path: Path) -> str:
    """Load a picture as a data URI, reduced to the size that a page shows.

    Raises:
      OSError: the file cannot be read or is not a picture in PNG or GIF.
      ValueError: the file is damaged, or has very many pixels.
    """
    try:
        # Other formats are decoded by other programs, such as Ghostscript.
        with Image.open(io.BytesIO(read_bytes(path)), formats=("PNG", "GIF")) as picture:
            width, height = picture.size
            if width * height > _MAX_PIXELS:
                raise ValueError(f"{width} x {height} pixels are too many to show")
            picture.load()
            if max(picture.size) <= _MAX_SIDE:
                return _encode(picture, picture.format or "PNG", save_all=True)
            smaller = picture.convert("RGB")
            smaller.thumbnail((_MAX_SIDE, _MAX_SIDE), Image.Resampling.LANCZOS)
            return _encode(smaller)
    except (SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from error


def make_image_uri(image: np.ndarray) -> str:
    """Return an image ``(H, W, C)`` of bytes as a data URI."""
    return _encode(Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image))


def _encode(picture: Image.Image, kind: str = "PNG", **options: Any) -> str:
    file = io.BytesIO()
    picture.save(file, kind, optimize=True, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
