"""Measure and photograph a page in headless Chromium, at any width, light or dark.

A window is at least 500 pixels wide, so the page is put into frames of the requested widths. The
page takes the ``color-scheme`` of its frame for the reader's preference. To look at a page::

    python tests/report/browser.py runs/digits/report.html FOLDER
"""

import html
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")
SEEN = tuple((width, scheme) for width in (375, 1400) for scheme in ("light", "dark"))
_SLICE = 1800  # pixels of height in a picture
_FRAME = """<iframe data-width="{width}" data-scheme="{scheme}" style="border:0;display:block;
 width:{width}px;height:{height}px;color-scheme:{scheme}" srcdoc="{source}"></iframe>
"""
# "wide" lists elements that overflow the page, except inside a box that scrolls. "cut" lists texts
# that overflow their chart.
_MEASURE = """
const scrolls = (element) => {
  for (let e = element.parentElement; e; e = e.parentElement)
    if (getComputedStyle(e).overflowX === "auto" || e.tagName === "svg") return true;
  return false;
};
const measure = (frame) => {
  const page = frame.contentDocument, root = page.scrollingElement;
  page.querySelectorAll("details").forEach((e) => { e.open = OPENED; });
  const style = frame.contentWindow.getComputedStyle(page.body);
  const all = [...page.body.querySelectorAll("*")], texts = [...page.querySelectorAll("svg text")];
  const box = (e) => e.getBoundingClientRect();
  return {
    width: +frame.dataset.width, scheme: frame.dataset.scheme, height: root.scrollHeight,
    scrollWidth: root.scrollWidth, clientWidth: root.clientWidth,
    wide: all.filter((e) => box(e).width && !scrolls(e)
      && (box(e).right > root.clientWidth + 1 || box(e).left < -1)).map((e) => e.outerHTML),
    cut: texts.filter((e) => box(e).left < box(e.closest("svg")).left - 1
      || box(e).right > box(e.closest("svg")).right + 1).map((e) => e.textContent),
    ink: style.color, paper: style.backgroundColor,
    chartInk: [...new Set(texts.map((e) => getComputedStyle(e).fill))],
    smallest: Math.min(...texts.map((e) => parseFloat(getComputedStyle(e).fontSize)
      * box(e.closest("svg")).width / e.closest("svg").viewBox.baseVal.width)),
    broken: [...page.images].filter((image) => !image.naturalWidth).length,
  };
};
window.onload = () => {
  const found = [...document.querySelectorAll("iframe")].map(measure);
  document.title = JSON.stringify(found);
};
"""
_SHOW = """
window.onload = () => {{
  const page = document.querySelector("iframe").contentWindow;
  page.scrollTo({{top: {top}, behavior: "instant"}});
}};
"""


def measure(
    source: str, folder: Path, seen: Sequence[tuple[int, str]] = SEEN, *, opened: bool = True
) -> list[dict]:
    """Measure a page: its widths, overflow, colors, and font sizes.

    Args:
      source: the page.
      folder: for the browser's files.
      seen: widths in pixels, each with 'light' or 'dark'.
      opened: with all that is folded.
    """
    script = _MEASURE.replace("OPENED", str(opened).lower())
    wrapper = _wrapper(source, folder, seen, 900, script)
    dumped = _chromium(folder, "--dump-dom", wrapper.as_uri())
    title = re.search(r"<title>(.*?)</title>", dumped, re.DOTALL)
    assert title, dumped[-2000:]
    return json.loads(html.unescape(title[1]))


def photograph(
    source: str, path: Path, width: int, scheme: str, top: int = 0, height: int = _SLICE
) -> None:
    """Save a PNG of the page from ``top`` on, 500 pixels or wider; the page is on the left."""
    script = _SHOW.format(top=top)
    wrapper = _wrapper(source, path.parent, [(width, scheme)], height, script)
    size = f"--window-size={max(width, 500)},{height}"
    _chromium(path.parent, f"--screenshot={path}", size, wrapper.as_uri())


def _wrapper(
    source: str, folder: Path, seen: Sequence[tuple[int, str]], height: int, script: str
) -> Path:
    path, page = folder / "frames.html", html.escape(source)
    frames = [
        _FRAME.format(width=width, height=height, scheme=scheme, source=page)
        for width, scheme in seen
    ]
    head = '<!DOCTYPE html><html><meta charset="utf-8"><title></title><body style="margin:0">'
    path.write_text("".join([head, *frames, f"<script>{script}</script>"]))
    return path


def _chromium(folder: Path, *arguments: str) -> str:
    command: list[Any] = [
        *(CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
        *("--disable-dev-shm-usage", "--virtual-time-budget=10000"),
        *(f"--user-data-dir={folder}/browser", *arguments),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def main(page: str, folder: str) -> None:
    """Photograph a page from top to bottom, at all widths, light and dark."""
    source, pictures = Path(page).read_text(), Path(folder)
    pictures.mkdir(parents=True, exist_ok=True)
    for width, scheme in SEEN:
        [found] = measure(source, pictures, [(width, scheme)], opened=False)
        for top in range(0, found["height"], _SLICE):
            path = pictures / f"{width}-{scheme}-{top:05d}.png"
            photograph(source, path, width, scheme, top)
            print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
