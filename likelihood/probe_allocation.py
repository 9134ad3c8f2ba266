"""The probes at each node of a quadrature, in two halves, and the allocation of further ones.

The number of probes of one half at a node depends on the first probes of the other half alone. If
probes determined their own number, their mean would be biased, like any experiment that stops at a
favorable result: here by a fifth of the standard error, as measured.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int

Weights = Float[Array, " nodes"]
_NEIGHBORS = np.ones(5, np.float32)  # NumPy: imports run before hosts connect and see devices


@struct.dataclass
class ProbeAllocation:
    """Number, mean and sum of squared deviations of the probes of each half at each node.

    ``guide`` is the variance by which each half allocates further probes: the pooled variance of
    the first probes of the other half.
    """

    count: Float[Array, "halves nodes"]
    average: Float[Array, "halves nodes"]
    squares: Float[Array, "halves nodes"]
    guide: Float[Array, "halves nodes"]

    @classmethod
    def empty(cls, nodes: int, halves: int = 2) -> "ProbeAllocation":
        """Return the state before the first probe; a single half has no further ones."""
        return cls(*jnp.zeros((4, halves, nodes)))

    def add(
        self, nodes: Int[Array, "halves calls"], draws: Float[Array, "halves calls draws"]
    ) -> "ProbeAllocation":
        """Return the state with further probes; a node may occur more than once."""
        first, after = jnp.all(self.count == 0), jax.vmap(_add)(self, nodes, draws)
        return replace(after, guide=jnp.where(first, after.pooled_variance[::-1], self.guide))

    @property
    def mean(self) -> Weights:
        """The mean at each node, with equal weights of both halves."""
        return jnp.mean(self.average, axis=0)

    @property
    def variance(self) -> Float[Array, "halves nodes"]:
        """The variance of one probe at each node; zero for fewer than two probes."""
        return self.squares / jnp.maximum(self.count - 1, 1)

    @property
    def pooled_variance(self) -> Float[Array, "halves nodes"]:
        """The variance pooled over neighboring nodes: that of a few probes is uncertain."""
        pool = jax.vmap(lambda row: jnp.convolve(row, _NEIGHBORS, mode="same"))
        return pool(self.squares) / jnp.maximum(pool(self.count - 1), 1)

    def standard_error(self, weights: Weights) -> Float[Array, ""]:
        """Return the standard error of the weighted sum of the means."""
        return jnp.sqrt(jnp.sum(weights**2 * self.variance / self.count)) / len(self.count)

    def freedom(self, weights: Weights) -> Float[Array, ""]:
        """Return the degrees of freedom of the standard error (Welch 1947, Satterthwaite 1946)."""
        shares = weights**2 * self.variance / self.count
        spread = jnp.sum(shares**2 / jnp.maximum(self.count - 1, 1))
        return jnp.where(spread > 0, jnp.sum(shares) ** 2 / spread, jnp.inf)

    def needs_more(self, weights: Weights, target: float) -> Bool[Array, "2"]:
        """Return which halves need further probes to reach the target error of the mean of both."""
        square = jnp.sum(weights**2 * self.guide / self.count, axis=1)
        return square > 2 * target**2

    def allocate(self, weights: Weights, draws: int, calls: int) -> Int[Array, "2 calls"]:
        """Return the nodes of the next calls, where they reduce the variance most.

        There are ``calls`` calls of ``draws`` probes each for each half. This is Neyman's optimal
        allocation (1934), in steps.
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
    """Merge two sets of probes (Chan et al. 1983, eq. 2.1)."""
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
