"""Draws counted node by node, and where the next ones are worth most."""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int

_NEIGHBOURS = jnp.ones(5)


@struct.dataclass
class Tally:
    """Number, mean and sum of squared deviations of the draws at each node."""

    count: Float[Array, " nodes"]
    mean: Float[Array, " nodes"]
    squares: Float[Array, " nodes"]

    @classmethod
    def empty(cls, nodes: int) -> "Tally":
        """No draw anywhere."""
        return cls(*jnp.zeros((3, nodes)))

    def add(self, nodes: Int[Array, " calls"], draws: Float[Array, "calls draws"]) -> "Tally":
        """With further draws; a node may be named more than once (Chan et al. 1983, eq. 2.1)."""
        zeros = jnp.zeros_like(self.count)
        count = zeros.at[nodes].add(draws.shape[1])
        mean = zeros.at[nodes].add(jnp.sum(draws, axis=1)) / jnp.maximum(count, 1)
        deviations = draws - mean[nodes][:, None]
        squares = zeros.at[nodes].add(jnp.sum(deviations**2, axis=1))
        total, difference = self.count + count, mean - self.mean
        share = count / jnp.maximum(total, 1)
        return Tally(
            count=total,
            mean=self.mean + share * difference,
            squares=self.squares + squares + self.count * share * difference**2,
        )

    @property
    def variance(self) -> Float[Array, " nodes"]:
        """Of one draw, pooled over neighbouring nodes; zero where there are fewer than two draws.

        The variance changes slowly along a path, and that of few draws alone is a poor guide: nodes
        where it happens to be small would get no further draws and report too small an error.
        """
        squares = jnp.convolve(self.squares, _NEIGHBOURS, mode="same")
        freedom = jnp.convolve(self.count - 1, _NEIGHBOURS, mode="same")
        return squares / jnp.maximum(freedom, 1)

    def standard_error(self, weights: Float[Array, " nodes"]) -> Float[Array, ""]:
        """Of the weighted sum of the means."""
        return jnp.sqrt(jnp.sum(weights**2 * self.variance / self.count))

    def allot(
        self, weights: Float[Array, " nodes"], draws: int, calls: int
    ) -> Int[Array, " calls"]:
        """Nodes for so many calls of so many draws, each where it lowers the variance most.

        Neyman's optimal allocation (1934), taken in steps.
        """
        spread = weights**2 * self.variance

        def next_call(count, _):
            node = jnp.argmax(spread / (count * (count + draws)))
            return count.at[node].add(draws), node

        return jax.lax.scan(next_call, self.count, length=calls)[1]
