"""Charts use the page's colors and keep their text."""

import re

import html5lib
import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from gradlog.report.charts import draw_account, render_svg
from gradlog.report.page import make_environment


def _html(*draw) -> str:
    """Return a page with the charts of these figures."""
    template = make_environment("bits/char").from_string(
        "{% for each in draw %}{{ svg(each) }}{% endfor %}"
    )
    return template.render(draw=draw)


def _svg(draw) -> str:
    return re.search("<svg.*</svg>", _html(draw), re.DOTALL)[0]


def _figure() -> Figure:
    figure = Figure(figsize=(7, 4))
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], label="of <b> & c")
    axes.plot([0, 1], [1, 0], color="black")
    axes.set_xlabel("steps", fontsize=5)
    axes.legend()
    return figure


def test_colors_are_those_of_the_page():
    colors = re.findall(r"#[0-9a-f]{6}\b", _svg(_figure))
    assert colors == []
    assert {"currentColor", "var(--series-1)"} <= set(
        re.findall(r"currentColor|var\(--[\w-]+\)", _svg(_figure))
    )


def test_text_stays_text_and_is_readable_on_a_telephone():
    svg = _svg(_figure)
    assert ">of &lt;b&gt; &amp; c</text>" in svg
    assert all(float(size) >= 10 for size in re.findall(r"font: ([\d.]+)px", svg))
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
    assert 320 < width < 340


def test_text_of_a_file_is_no_markup_no_formula_no_color_and_no_id():
    names = ["$x$ <b>", "<style>*{}</style>", ' id="a" url(#b) href="#c"', "#0072b2", "\x00"]

    def draw() -> Figure:
        figure = Figure()
        figure.add_subplot().set_yticks(range(len(names)), names)
        return figure

    words = [element.text for element in render_svg(draw).iter("text")]
    assert set(words) >= {*names[:-1], "\N{REPLACEMENT CHARACTER}"}
    html = html5lib.parse(_html(draw, draw), namespaceHTMLElements=False)
    drawn = [e.text for e in html.iter("{http://www.w3.org/2000/svg}text")]
    assert drawn == 2 * words


def test_rendering_is_deterministic():
    assert _svg(_figure) == _svg(_figure)


def test_terms_of_an_account_have_bars_errors_and_colors():
    lines = [
        {"term": "prior", "bits_per_dim": 2.0, "standard_error": 0.5},
        {"term": "divergence", "bits_per_dim": -3.0, "standard_error": None},
    ]
    axes = draw_account(lines, -1.0, 0.25, "bits/char").axes[0]
    bars, whiskers = axes.patches, axes.collections[0].get_segments()
    assert [bar.get_width() for bar in bars] == [2.0, -3.0, -1.0]
    cost, gain, total = (to_hex(bar.get_facecolor()) for bar in bars)
    assert [cost, gain, total] == [to_hex(name) for name in ("C1", "C2", "C0")]
    widths = [segment[1, 0] - segment[0, 0] for segment in whiskers]
    np.testing.assert_allclose(widths, [1.0, 0.0, 0.5])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["prior", "divergence", "sum"]
