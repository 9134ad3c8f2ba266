"""A page of HTML about a folder: its tiles and sections from a template, its styles and pictures.

A template has a macro for each tile and each section. It reads the files through a `RunFolder` or a
`SweepFiles`, and its text is escaped. Each section is rendered by itself: if a file is damaged, a
note takes the place of its section, and the other sections are there.
"""

import copy
import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from gradlog.evaluation.comparison import WHAT_A_BOUND_BOUNDS
from gradlog.evaluation.over_training import figure as draw_over_training
from gradlog.evaluation.pictures import curves as draw_curves
from gradlog.report import formatting
from gradlog.report.charts import (
    GAMMA,
    draw_account,
    draw_histogram,
    draw_level_losses,
    draw_points,
    draw_schedule,
    render_svg,
)
from gradlog.report.run_folder import (
    RunFolder,
    account_title,
    attempt,
    list_keys,
    load_pictures,
    load_settings,
)
from gradlog.report.sweep_files import SweepFiles
from gradlog.sweeps import SweepResults
from gradlog.sweeps.display import draw_settings, list_remarks

_FILTERS: dict[str, Callable[..., str]] = {
    "number": formatting.format_number,
    "short": formatting.format_short,
    "with_error": formatting.format_with_error,
    "interval": formatting.format_interval,
    "counted": formatting.format_count,
    "share": formatting.format_share,
    "seconds": formatting.format_seconds,
    "sentence": lambda text: f"{text[0].upper()}{text[1:]}.",
    # A dotted name may break after a dot or an underscore.
    "breakable": lambda name: Markup(re.sub(r"([._])(?=\w)", r"\1<wbr>", str(escape(name)))),
}


def _draw_settings_of(results: SweepResults, estimator: str) -> Figure:
    selected = replace(results, settings=results.select(estimator))
    return draw_settings(selected, stacked=True)


_GLOBALS: dict[str, Any] = {
    "account_title": account_title,
    "draw_account": draw_account,
    "draw_curves": draw_curves,
    "draw_histogram": draw_histogram,
    "draw_level_losses": draw_level_losses,
    "draw_over_training": draw_over_training,
    "draw_points": draw_points,
    "draw_schedule": draw_schedule,
    "GAMMA": GAMMA,
    "draw_settings_of": _draw_settings_of,
    "list_keys": list_keys,
    "list_remarks": list_remarks,
    "load_pictures": load_pictures,
    "load_settings": load_settings,
    "WHAT_A_BOUND_BOUNDS": WHAT_A_BOUND_BOUNDS,
}


def render_page(folder: RunFolder | SweepFiles) -> str:
    """Return the page of a run or a sweep, as one HTML document."""
    environment = make_environment(folder.unit)
    kind = "run" if isinstance(folder, RunFolder) else "sweep"
    parts: Any = environment.get_template(f"{kind}.html").module
    show = environment.globals["show"]
    shown = [(title, show(section, folder)) for title, section in parts.SECTIONS]
    tiles = [attempt(partial(tile, folder))[0] for tile in parts.TILES]
    return environment.get_template("page.html").render(
        name=folder.root.name or str(folder.root.resolve()),
        kind=kind,
        about=folder.about,
        tiles=[tile for tile in tiles if tile and tile.strip()],
        sections=[(t, "-".join(t.lower().split()), text) for t, text in shown if text.strip()],
        footer=f"{folder.root}, {datetime.now():%Y-%m-%d %H:%M}",
    )


def make_environment(unit: str) -> Environment:
    """Return the environment of the templates of one page, whose charts have different ids.

    Args:
      unit: what the bits of the page are called.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    numbers = itertools.count(1)

    def svg(draw: Callable[..., Any], *arguments: Any, height: float = 0.0) -> Markup:
        drawn = render_svg(lambda: draw(*arguments), height)
        return _to_markup(drawn, f"chart{next(numbers)}-")

    def show(macro: Callable[[Any], Markup], folder: Any) -> Markup:
        """Return what a macro shows, or a note if a file that it needs is damaged."""
        found, problems = attempt(lambda: macro(folder), "this part cannot be shown")
        macros: Any = environment.get_template("macros.html").module
        return macros.notes(problems) if found is None else found

    environment.filters.update(_FILTERS)
    environment.globals.update(_GLOBALS, svg=svg, show=show, unit=unit)
    return environment


def _to_markup(svg: ET.Element, prefix: str) -> Markup:
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
