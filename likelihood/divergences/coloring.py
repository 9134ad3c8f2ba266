"""Probes on one color of the dimensions at a time, for random and for regular colorings."""

import functools
import itertools
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gradlog.likelihood.divergences.base import (
    Field,
    IndependentDraws,
    Probes,
    random_signs,
    value_and_forms,
)


@dataclass(frozen=True)
class Orthogonal(IndependentDraws):
    """Blocks of ``colors`` orthogonal probes: random signs on random colors of the dimensions.

    Each of the ``probes`` draws partitions the dimensions at random into K = ``colors`` colors of
    nearly equal sizes n_j. It sums ``v^T J v`` over the K probes, each of which is zero outside one
    color. The variance is ``2 sum_{a != b} S_ab^2 sum_j n_j (n_j - 1) / (d (d - 1))``. If K divides
    d, this is ``(d - K)/(d - 1)`` times the variance of the mean of K independent random signs: the
    gain of orthogonal blocks (Yu et al. 2016, arXiv:1610.09072), without knowing where J is large.
    """

    probes: int = 1
    colors: int = 16

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> Probes:
        sign_key, color_key = jax.random.split(key)
        count = min(self.colors, math.prod(shape))
        colors = jax.vmap(lambda key: random_partition(key, shape, count))(
            jax.random.split(color_key, self.probes)
        )
        return random_signs(sign_key, (self.probes, *shape)), colors

    def __call__(self, f: Field, x: Float[Array, "*D"], probes: Probes):
        signs, colors = probes
        return value_and_colored_traces(f, x, signs, colors, min(self.colors, x.size))

    def products(self, dims: int) -> int:
        return self.probes * min(self.colors, dims)


@dataclass(frozen=True)
class Probing(IndependentDraws):
    """Random signs on the colors of a regular tile (Tang & Saad 2012, doi:10.1002/nla.779).

    ``probes`` independent draws, each the sum over ``colors`` colors j of ``(m_j D)^T J (m_j D)``,
    with m_j the indicator of the color and D random signs. It is unbiased, with variance ``2 sum_{a
    != b of one color} S_ab^2``. Nearby dimensions have different colors (Stathopoulos et al. 2013,
    arXiv:1302.4018), because the Jacobians of denoisers of images are largest between the channels
    of a pixel, then between neighbors. For data of C channels use ``C 2^k`` colors; C colors alone
    may cost more than they save. The trace is exact for ``colors >= d``.
    """

    probes: int = 1
    colors: int = 16

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> Probes:
        return random_signs(key, (self.probes, *shape))

    def __call__(self, f: Field, x: Float[Array, "*D"], probes: Probes):
        count = min(self.colors, x.size)
        colors = jnp.asarray(regular_partition(x.shape, count))
        return value_and_colored_traces(f, x, probes, colors[None], count)

    def products(self, dims: int) -> int:
        return self.probes * min(self.colors, dims)


def value_and_colored_traces(
    f: Field,
    x: Float[Array, "*D"],
    signs: Float[Array, "draws *D"],
    colors: Int[Array, "draws *D"],
    count: int,
) -> tuple[Float[Array, "*D"], Float[Array, " draws"]]:
    """Return ``f(x)``, and the sum over colors j of ``(m_j D)^T J (m_j D)`` for each draw.

    D are the signs of the draw, and m_j is one where the color is j. Entries between two colors do
    not contribute. With one color per dimension nothing random remains.
    """
    own = jnp.arange(count).reshape(1, count, *(1 for _ in x.shape))
    masked = jnp.where(colors[:, None] == own, signs[:, None], 0)
    value, forms = value_and_forms(f, x, masked.reshape(-1, *x.shape))
    return value, jnp.sum(forms.reshape(-1, count), axis=1)


def random_partition(key: jax.Array, shape: tuple[int, ...], count: int) -> Int[Array, "*shape"]:
    """Return ``count`` colors at random positions, in nearly equal numbers."""
    dims = math.prod(shape)
    return jax.random.permutation(key, jnp.arange(dims) % count).reshape(shape)


@functools.cache
def regular_partition(shape: tuple[int, ...], count: int) -> Int[np.ndarray, "*shape"]:
    """Return ``min(count, d)`` colors, where positions of equal color are far apart.

    Images (H, W, C) get a repeated tile of colors. First each channel has one color. Then every
    color is split in two by the lowest bit of the row that all its positions have in common, then
    of the column, then by the next bit of the row, until there are enough. For ``C 2^k`` colors the
    color is the position modulo (2^ceil(k/2), 2^floor(k/2)) and the channel. For numbers between
    these only the first colors are split. Other data, and images with more channels than colors,
    use their index modulo ``count``.
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
    """Move the upper part of each color to a new color, in place, while new colors are left."""
    for color in range(used):
        moved = (colors == color) & upper
        # A color without a lower part is not split, so that every color has a dimension.
        if used < count and moved.any() and (colors == color).sum() > moved.sum():
            colors[moved] = used
            used += 1
    return used
