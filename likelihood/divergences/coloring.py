"""Partitions of the dimensions into colors, and probes that live on one color each."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gradlog.likelihood.divergences.base import Field, value_and_forms


def value_and_colored_traces(
    f: Field,
    x: Float[Array, "*D"],
    signs: Float[Array, "draws *D"],
    colors: Int[Array, "draws *D"],
    count: int,
) -> tuple[Float[Array, "*D"], Float[Array, " draws"]]:
    """``f(x)``, and for each draw the sum over colors j of ``(m_j D)^T J (m_j D)``.

    D are the signs of the draw and m_j is one where the color is j: the entries that
    two colors share never enter, and with a color for every dimension nothing random is left.
    """
    own = jnp.arange(count).reshape(1, count, *(1 for _ in x.shape))
    masked = jnp.where(colors[:, None] == own, signs[:, None], 0)
    value, forms = value_and_forms(f, x, masked.reshape(-1, *x.shape))
    return value, jnp.sum(forms.reshape(-1, count), axis=1)


def random_partition(key: jax.Array, shape: tuple[int, ...], count: int) -> Int[Array, "*shape"]:
    """Colors below ``count`` in random places, as equal in number as they can be."""
    dims = math.prod(shape)
    return jax.random.permutation(key, jnp.arange(dims) % count).reshape(shape)


@functools.cache
def regular_partition(shape: tuple[int, ...], count: int) -> Int[np.ndarray, "*shape"]:
    """``min(count, d)`` colors, equal ones as far apart as can be.

    Images (H, W, C) have a tile of colors, repeated: first one for each channel, then every color
    is split in two by the lowest bit of the row that all of it has in common, then of the column,
    then by the next of the row, until there are enough of them. For ``C 2^k`` colors the color is
    the position modulo (2^ceil(k/2), 2^floor(k/2)) and the channel; between these numbers
    the first of the colors are split and the rest are not. Other data, and images with more
    channels than there are colors, take their index modulo ``count``.
    """
    dims = math.prod(shape)
    if len(shape) != 3 or count >= dims or count < shape[-1]:
        return (np.arange(dims) % count).reshape(shape)
    rows, columns, colors = np.indices(shape)
    used = shape[-1]
    for bit, place in itertools.product(range(max(shape).bit_length()), (rows, columns)):
        used = _split(colors, used, count, (place >> bit) % 2 == 1)
    return colors


def _split(colors: Int[np.ndarray, "*D"], used: int, count: int, upper: np.ndarray) -> int:
    """Gives the upper part of each color a new one, in place, while there are new ones."""
    for color in range(used):
        moved = (colors == color) & upper
        # A color without a lower part stays: every color is of some dimension.
        if used < count and moved.any() and (colors == color).sum() > moved.sum():
            colors[moved] = used
            used += 1
    return used
