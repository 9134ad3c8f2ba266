"""Known parts of an image, as orthogonal projections P with ``P P = P`` symmetric; named masks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float


class Projection(Protocol):
    """``P x``: the known part of x. The rest, ``x - P x``, is orthogonal to it."""

    def __call__(self, x: Float[Array, "*D"]) -> Float[Array, "*D"]: ...


@dataclass(frozen=True)
class KnownPixels:
    """The entries where ``known`` is true; the others are zero."""

    known: Bool[Array, "*D"]

    def __call__(self, x: Float[Array, "*D"]) -> Float[Array, "*D"]:
        return jnp.where(self.known, x, 0)


@dataclass(frozen=True)
class Gray:
    """The mean over the channels, in each of them: the direction (1, 1, 1)/sqrt(3) of colors."""

    def __call__(self, x: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
        return jnp.broadcast_to(jnp.mean(x, axis=-1, keepdims=True), x.shape)


Hidden = Bool[np.ndarray, "h w"]


def _columns(height: int, width: int) -> np.ndarray:
    return np.broadcast_to(np.arange(width), (height, width))


def left(height: int, width: int) -> Hidden:
    """Hide the left half."""
    return _columns(height, width) < width // 2


def right(height: int, width: int) -> Hidden:
    """Hide the right half."""
    return _columns(height, width) >= width // 2


def top(height: int, width: int) -> Hidden:
    """Hide the upper half."""
    return left(width, height).T


def bottom(height: int, width: int) -> Hidden:
    """Hide the lower half."""
    return right(width, height).T


def center(height: int, width: int) -> Hidden:
    """Hide the middle half of the rows in the middle half of the columns."""
    middle = lambda side: np.abs(2 * np.arange(side) + 1 - side) < side / 2  # noqa: E731
    return middle(height)[:, None] & middle(width)[None, :]


def random(height: int, width: int) -> Hidden:
    """Hide half of all pixels, always the same ones."""
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
