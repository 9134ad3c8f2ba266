"""Moving pictures."""

from collections.abc import Iterable
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from gradlog.evaluation.pictures import drawn
from gradlog.storage.files import atomic

_COLORS = 64  # of the palette: enough for a plot, and a third of the bytes


def save_gif(path: Path, figures: Iterable[Figure], milliseconds: int) -> None:
    """Draws figures of one size as a GIF that begins again after its last.

    Args:
      path: the file.
      figures: drawn one after the other, so that they need not all be in memory.
      milliseconds: for which each is shown.

    Raises:
      ValueError: there is no figure.
    """
    frames = [drawn(figure) for figure in figures]
    if not frames:
        raise ValueError("a moving picture needs at least one figure")
    palette = frames[-1].quantize(_COLORS)
    first, *others = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    with atomic(path) as file:
        first.save(
            file,
            "GIF",
            save_all=True,
            append_images=others,
            duration=milliseconds,
            loop=0,
            optimize=True,
        )
