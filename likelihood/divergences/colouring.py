"""Partitions of the dimensions into colours, and probes that live on one colour each."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from likelihood.divergences.base import Field, value_and_forms


def value_and_coloured_traces(
    f: Field,
    x: Float[Array, "*D"],
    signs: Float[Array, "draws *D"],
    colours: Int[Array, "draws *D"],
    count: int,
) -> tuple[Float[Array, "*D"], Float[Array, " draws"]]:
    """``f(x)``, and for each draw the sum over colours j of ``(m_j D)^T J (m_j D)``.

    D are the signs of the draw and m_j is one where the colour is j: the entries that
    two colours share never enter, and with a colour for every dimension nothing random is left.
    """
    own = jnp.arange(count).reshape(1, count, *(1 for _ in x.shape))
    masked = jnp.where(colours[:, None] == own, signs[:, None], 0)
    value, forms = value_and_forms(f, x, masked.reshape(-1, *x.shape))
    return value, jnp.sum(forms.reshape(-1, count), axis=1)


def random_partition(key: jax.Array, shape: tuple[int, ...], count: int) -> Int[Array, "*shape"]:
    """Colours below ``count`` in random places, as equal in number as they can be."""
    dims = math.prod(shape)
    return jax.random.permutation(key, jnp.arange(dims) % count).reshape(shape)


@functools.cache
def regular_partition(shape: tuple[int, ...], count: int) -> Int[np.ndarray, "*shape"]:
    """``min(count, d)`` colours, equal ones as far apart as can be.

    Images (H, W, C) have a tile of colours, repeated: first one for each channel, then every colour
    is split in two by the lowest bit of the row that all of it has in common, then of the column,
    then by the next of the row, until there are enough of them. For ``C 2^k`` colours the colour is
    the position modulo (2^ceil(k/2), 2^floor(k/2)) and the channel; between these numbers
    the first of the colours are split and the rest are not. Other data, and images with more
    channels than there are colours, take their index modulo ``count``.
    """
    dims = math.prod(shape)
    if len(shape) != 3 or count >= dims or count < shape[-1]:
        return (np.arange(dims) % count).reshape(shape)
    rows, columns, colours = np.indices(shape)
    used = shape[-1]
    for bit, place in itertools.product(range(max(shape).bit_length()), (rows, columns)):
        used = _split(colours, used, count, (place >> bit) % 2 == 1)
    return colours


def _split(colours: Int[np.ndarray, "*D"], used: int, count: int, upper: np.ndarray) -> int:
    """Gives the upper part of each colour a new one, in place, while there are new ones."""
    for colour in range(used):
        moved = (colours == colour) & upper
        # A colour without a lower part stays: every colour is of some dimension.
        if used < count and moved.any() and (colours == colour).sum() > moved.sum():
            colours[moved] = used
            used += 1
    return used
