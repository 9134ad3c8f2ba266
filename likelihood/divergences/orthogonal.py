"""Random signs on random classes of dimensions, one class at a time."""

import math
from dataclasses import dataclass

import jax
from jaxtyping import Array, Float

from gradlog.likelihood.divergences.base import Field, IndependentDraws, Probes, random_signs
from gradlog.likelihood.divergences.coloring import random_partition, value_and_colored_traces


@dataclass(frozen=True)
class Orthogonal(IndependentDraws):
    """Blocks of ``colors`` orthogonal probes: random signs on random classes of dimensions.

    Each of the ``probes`` draws partitions the dimensions at random into K = ``colors`` classes of
    sizes n_j, as equal as can be, and sums ``v^T J v`` over the K probes that live on one class
    each. Its variance is ``2 sum_{a != b} S_ab^2 sum_j n_j (n_j - 1) / (d (d - 1))``: where K
    divides d, ``(d - K)/(d - 1)`` times that of the mean of K independent random signs, the gain of
    orthogonal blocks (Yu et al. 2016, arXiv:1610.09072) without knowing where J is large.
    """

    probes: int = 1
    colors: int = 16

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> Probes:
        sign_key, class_key = jax.random.split(key)
        count = min(self.colors, math.prod(shape))
        partition = lambda key: random_partition(key, shape, count)  # noqa: E731
        classes = jax.vmap(partition)(jax.random.split(class_key, self.probes))
        return random_signs(sign_key, (self.probes, *shape)), classes

    def __call__(self, f: Field, x: Float[Array, "*D"], probes: Probes):
        signs, classes = probes
        return value_and_colored_traces(f, x, signs, classes, min(self.colors, x.size))

    def products(self, dims: int) -> int:
        return self.probes * min(self.colors, dims)
