"""Random signs on one colour of a regular tile at a time."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from likelihood.divergences.base import Field, IndependentDraws, Probes, random_signs
from likelihood.divergences.colouring import regular_partition, value_and_coloured_traces


@dataclass(frozen=True)
class Probing(IndependentDraws):
    """Random signs on the colours of a regular tile (Tang & Saad 2012, doi:10.1002/nla.779).

    ``probes`` independent draws, each the sum over ``colours`` classes of dimensions j of
    ``(m_j D)^T J (m_j D)``, m_j the indicator of the class and D random signs: unbiased, with
    variance ``2 sum_{a != b of one colour} S_ab^2``. The classes keep apart what is close together
    (Stathopoulos et al. 2013, arXiv:1302.4018): the Jacobians of denoisers of images are largest
    between the channels of a pixel, then between neighbours. For data of C channels take ``C 2^k``
    colours; C of them alone may cost more than they save. Exact where ``colours >= d``.
    """

    probes: int = 1
    colours: int = 16

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> Probes:
        return random_signs(key, (self.probes, *shape))

    def __call__(self, f: Field, x: Float[Array, "*D"], probes: Probes):
        count = min(self.colours, x.size)
        classes = jnp.asarray(regular_partition(x.shape, count))
        return value_and_coloured_traces(f, x, probes, classes[None], count)

    def products(self, dims: int) -> int:
        return self.probes * min(self.colours, dims)
