"""Pages in a browser: nothing is cut off on a telephone or a desktop, light or dark."""

import re

import browser
import pytest
from PIL import Image

from gradlog.report import write_report

pytestmark = pytest.mark.skipif(
    browser.CHROMIUM is None, reason="needs a browser: Debian's package chromium"
)


@pytest.fixture(scope="module")
def pages(evaluated, swept, tmp_path_factory) -> dict[str, str]:
    """The pages of a run and of a sweep."""
    import shutil

    folder = tmp_path_factory.mktemp("pages")
    copies = [shutil.copytree(root, folder / root.name) for root in (evaluated, swept)]
    run, sweep = (write_report(copy).read_text() for copy in copies)
    return {"run": run, "sweep": sweep}


@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_page_fits_and_is_readable_at_any_width(pages, kind, tmp_path):
    found = browser.measure(pages[kind], tmp_path)
    assert [(each["width"], each["scheme"]) for each in found] == list(browser.SEEN)
    for each in found:
        assert each["clientWidth"] == each["width"]
        assert each["scrollWidth"] == each["width"], each["wide"]
        assert each["wide"] == []
        assert each["cut"] == []
        assert each["broken"] == 0
        assert each["smallest"] >= 10  # pixels, of any text in a chart
        assert each["chartInk"] == [each["ink"]]
        assert _contrast(each["ink"], each["paper"]) > 12
        assert (_luminance(each["paper"]) < 0.05) == (each["scheme"] == "dark")


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two colors."""
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: str) -> float:
    """Relative luminance of ``rgb(r, g, b)``."""
    shares = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_measurement_finds_overflow(tmp_path):
    wide = "<!DOCTYPE html><body style='margin:0'><p style='width:500px'>wide</p>"
    narrow, desk = browser.measure(wide, tmp_path, [(375, "light"), (1400, "light")])
    assert narrow["scrollWidth"] == 500
    assert len(narrow["wide"]) == 1
    assert desk["wide"] == []


def test_photograph_has_the_requested_colors(pages, tmp_path):
    browser.photograph(pages["run"], tmp_path / "dark.png", 375, "dark", height=600)
    picture = Image.open(tmp_path / "dark.png").convert("L")
    assert picture.size == (500, 600)
    page = picture.crop((0, 0, 375, 600))
    assert sorted(page.getdata())[page.width * page.height // 2] < 64
    assert page.getextrema()[1] > 200
