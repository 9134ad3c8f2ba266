"""Draws counted node by node in two halves, and where the next ones are worth most.

The halves decide for each other: how many draws one has at a node depends on the first draws of the
other alone. Draws that chose their own number would be biased, like every experiment that is
stopped when it looks good: by a fifth of the standard error, where that was measured.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int

Weights = Float[Array, " nodes"]
_NEIGHBORS = np.ones(5, np.float32)  # made without a device: hosts join before there is one


@struct.dataclass
class ProbeAllocation:
    """Number, mean and sum of squared deviations of the draws of each half at each node.

    ``guide`` is the variance by which each half decides: the pooled one of the first draws of the
    other.
    """

    count: Float[Array, "2 nodes"]
    average: Float[Array, "2 nodes"]
    squares: Float[Array, "2 nodes"]
    guide: Float[Array, "2 nodes"]

    @classmethod
    def empty(cls, nodes: int) -> "ProbeAllocation":
        """No draw anywhere."""
        return cls(*jnp.zeros((4, 2, nodes)))

    def add(
        self, nodes: Int[Array, "2 calls"], draws: Float[Array, "2 calls draws"]
    ) -> "ProbeAllocation":
        """With further draws; a node may be named more than once."""
        first, after = jnp.all(self.count == 0), jax.vmap(_add)(self, nodes, draws)
        return replace(after, guide=jnp.where(first, after.pooled_variance[::-1], self.guide))

    @property
    def mean(self) -> Weights:
        """Of both halves, with equal weights."""
        return jnp.mean(self.average, axis=0)

    @property
    def variance(self) -> Float[Array, "2 nodes"]:
        """Of one draw at each node; zero where there are fewer than two draws."""
        return self.squares / jnp.maximum(self.count - 1, 1)

    @property
    def pooled_variance(self) -> Float[Array, "2 nodes"]:
        """The same over neighboring nodes together: that of few draws alone is a poor guide."""
        pool = jax.vmap(lambda row: jnp.convolve(row, _NEIGHBORS, mode="same"))
        return pool(self.squares) / jnp.maximum(pool(self.count - 1), 1)

    def standard_error(self, weights: Weights) -> Float[Array, ""]:
        """Of the weighted sum of the means."""
        return jnp.sqrt(jnp.sum(weights**2 * self.variance / self.count)) / 2

    def freedom(self, weights: Weights) -> Float[Array, ""]:
        """Degrees of freedom of the standard error (Welch 1947, Satterthwaite 1946)."""
        shares = weights**2 * self.variance / self.count
        spread = jnp.sum(shares**2 / jnp.maximum(self.count - 1, 1))
        return jnp.where(spread > 0, jnp.sum(shares) ** 2 / spread, jnp.inf)

    def above(self, weights: Weights, target: float) -> Bool[Array, "2"]:
        """Halves that need further draws for the mean of both to be known to the target."""
        square = jnp.sum(weights**2 * self.guide / self.count, axis=1)
        return square > 2 * target**2

    def allot(self, weights: Weights, draws: int, calls: int) -> Int[Array, "2 calls"]:
        """Nodes for so many calls of so many draws, each where it lowers the variance most.

        Neyman's optimal allocation (1934), taken in steps.
        """

        def one(count, variance):
            def next_call(count, _):
                node = jnp.argmax(weights**2 * variance / (count * (count + draws)))
                return count.at[node].add(draws), node

            return jax.lax.scan(next_call, count, length=calls)[1]

        return jax.vmap(one)(self.count, self.guide)


def _add(
    half: ProbeAllocation, nodes: Int[Array, " calls"], draws: Float[Array, "calls draws"]
) -> ProbeAllocation:
    """Two sets of draws merged (Chan et al. 1983, eq. 2.1)."""
    zeros = jnp.zeros_like(half.count)
    count = zeros.at[nodes].add(draws.shape[1])
    mean = zeros.at[nodes].add(jnp.sum(draws, axis=1)) / jnp.maximum(count, 1)
    squares = zeros.at[nodes].add(jnp.sum((draws - mean[nodes][:, None]) ** 2, axis=1))
    total, difference = half.count + count, mean - half.average
    share = count / jnp.maximum(total, 1)
    return replace(
        half,
        count=total,
        average=half.average + share * difference,
        squares=half.squares + squares + half.count * share * difference**2,
    )
