"""The settings of the site, which `make site` builds."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS)]  # for autodoc, and for reference.py in this folder

import reference  # noqa: E402

project = "Gradlog"
smartquotes = False  # 'quoted' names are names
html_show_copyright = False
html_title = "Gradlog"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
# Links to files of the repository work on GitHub only. tests/docs finds those that lead nowhere.
nitpick_ignore_regex = [("myst", r"\.\./.*")]

autodoc_default_options = {"exclude-members": "replace"}  # every flax.struct has it
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
maximum_signature_line_length = 80
napoleon_use_ivar = True
napoleon_use_rtype = False
python_use_unqualified_type_names = True
default_role = "code"

html_theme = "furo"
html_theme_options = {
    "light_css_variables": {"font-stack": "system-ui, sans-serif"},
    "dark_css_variables": {"font-stack": "system-ui, sans-serif"},
}


def setup(app) -> None:
    """Write the reference pages before the pages are read."""
    app.connect("autodoc-process-docstring", reference.protect_colons, priority=400)
    app.connect("autodoc-process-docstring", reference.escape_markup)
    app.connect("autodoc-process-signature", reference.shorten_types)
    reference.write(DOCS)
