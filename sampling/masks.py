"""Parts of an image to be hidden: for each name which pixels are."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool

Hidden = Bool[np.ndarray, "h w"]


def _columns(height: int, width: int) -> np.ndarray:
    return np.broadcast_to(np.arange(width), (height, width))


def left(height: int, width: int) -> Hidden:
    """The left half."""
    return _columns(height, width) < width // 2


def right(height: int, width: int) -> Hidden:
    """The right half."""
    return _columns(height, width) >= width // 2


def top(height: int, width: int) -> Hidden:
    """The upper half."""
    return left(width, height).T


def bottom(height: int, width: int) -> Hidden:
    """The lower half."""
    return right(width, height).T


def center(height: int, width: int) -> Hidden:
    """The middle half of the rows in the middle half of the columns."""
    middle = lambda side: np.abs(2 * np.arange(side) + 1 - side) < side / 2  # noqa: E731
    return middle(height)[:, None] & middle(width)[None, :]


def random(height: int, width: int) -> Hidden:
    """Half of all pixels, the same ones every time."""
    words = np.random.Philox(np.random.SeedSequence(0)).random_raw(height * width)
    return (np.argsort(words, kind="stable") < height * width // 2).reshape(height, width)


MASKS: dict[str, Callable[[int, int], Hidden]] = {
    "bottom": bottom,
    "center": center,
    "left": left,
    "random": random,
    "right": right,
    "top": top,
}
