"""Pages as HTML: the templates lay out what a page says, and escape all of it."""

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from gradlog.report.blocks import Page

_TEMPLATES = Path(__file__).parent / "templates"


def rendered(page: Page) -> str:
    """One document, with its styles and pictures in it."""
    return _environment().get_template("page.html").render(page=page)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    return environment


def _breakable(name: str) -> Markup:
    """A dotted name, which a line may end in after a dot or an underscore."""
    escaped = str(escape(name))
    return Markup(re.sub(r"([._])(?=\w)", r"\1<wbr>", escaped))
