"""How the site is built: `make docs`."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS)]  # for autodoc, and for reference.py beside this file

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
# Folders of the repository are links there, words here. tests/docs finds links to what is not.
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
    """Writes the reference pages before the pages are read."""
    app.connect("autodoc-process-docstring", reference.as_sentence, priority=400)
    app.connect("autodoc-process-docstring", reference.as_rst)
    app.connect("autodoc-process-signature", reference.as_words)
    reference.write(DOCS)
