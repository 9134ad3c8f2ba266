"""Random signs on one color of a regular tile at a time."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.likelihood.divergences.base import Field, IndependentDraws, Probes, random_signs
from gradlog.likelihood.divergences.coloring import regular_partition, value_and_colored_traces


@dataclass(frozen=True)
class Probing(IndependentDraws):
    """Random signs on the colors of a regular tile (Tang & Saad 2012, doi:10.1002/nla.779).

    ``probes`` independent draws, each the sum over ``colors`` classes of dimensions j of
    ``(m_j D)^T J (m_j D)``, m_j the indicator of the class and D random signs: unbiased, with
    variance ``2 sum_{a != b of one color} S_ab^2``. The classes keep apart what is close together
    (Stathopoulos et al. 2013, arXiv:1302.4018): the Jacobians of denoisers of images are largest
    between the channels of a pixel, then between neighbors. For data of C channels take ``C 2^k``
    colors; C of them alone may cost more than they save. Exact where ``colors >= d``.
    """

    probes: int = 1
    colors: int = 16

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> Probes:
        return random_signs(key, (self.probes, *shape))

    def __call__(self, f: Field, x: Float[Array, "*D"], probes: Probes):
        count = min(self.colors, x.size)
        classes = jnp.asarray(regular_partition(x.shape, count))
        return value_and_colored_traces(f, x, probes, classes[None], count)

    def products(self, dims: int) -> int:
        return self.probes * min(self.colors, dims)
