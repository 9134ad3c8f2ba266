"""Charts use the page's colors and keep their text."""

import re

import numpy as np
from matplotlib.figure import Figure

from gradlog.report.charts import draw_account, render_svg


def _figure() -> Figure:
    figure = Figure(figsize=(7, 4))
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], label="of <b> & c")
    axes.plot([0, 1], [1, 0], color="black")
    axes.set_xlabel("steps", fontsize=5)
    axes.legend()
    return figure


def test_colors_are_those_of_the_page():
    colors = re.findall(r"#[0-9a-f]{6}\b", render_svg(_figure, "a"))
    assert colors == []
    assert {"currentColor", "var(--series-1)"} <= set(
        re.findall(r"currentColor|var\(--[\w-]+\)", render_svg(_figure, "a"))
    )


def test_ids_are_unique_and_references_resolve():
    found = [set(re.findall(r'\bid="(.*?)"', render_svg(_figure, prefix))) for prefix in ("a", "b")]
    assert found[0]
    assert not found[0] & found[1]
    for prefix, ids in zip(("a", "b"), found, strict=True):
        used = re.findall(r'(?:href="|url\()#(.*?)[")]', render_svg(_figure, prefix))
        assert used
        assert set(used) <= ids


def test_text_stays_text_and_is_readable_on_a_telephone():
    svg = render_svg(_figure, "a")
    assert ">of &lt;b&gt; &amp; c</text>" in svg
    assert all(float(size) >= 10 for size in re.findall(r"font: ([\d.]+)px", svg))
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
    assert 320 < width < 340


def test_rendering_is_deterministic():
    assert render_svg(_figure, "a") == render_svg(_figure, "a")


def test_terms_of_an_account_have_bars_and_errors():
    lines = [
        {"term": "prior", "bits_per_dim": 2.0, "standard_error": 0.5},
        {"term": "divergence", "bits_per_dim": -3.0, "standard_error": None},
    ]
    axes = draw_account(lines, -1.0, 0.25).axes[0]
    bars, whiskers = axes.patches, axes.collections[0].get_segments()
    assert [bar.get_width() for bar in bars] == [2.0, -3.0, -1.0]
    widths = [segment[1, 0] - segment[0, 0] for segment in whiskers]
    np.testing.assert_allclose(widths, [1.0, 0.0, 0.5])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["prior", "divergence", "sum"]
