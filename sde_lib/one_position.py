"""The chain that masks one position at a time."""

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from gradlog.sde_lib.base import Scalar, Time
from gradlog.sde_lib.discrete import Absorbing, Tokens
from gradlog.sde_lib.pytree import pytree


@pytree
class OnePosition(Absorbing):
    """Each of ``num_steps`` steps draws one of the L positions uniformly and masks it.

    The position may be masked already: with m masks nothing happens with probability m/L. Which
    positions are masked does not depend on the data, is uniform given their number, and their
    number is that of the coupon collector. Times from ``(i - 1) / num_steps`` to ``i / num_steps``
    stand for the state after i steps. The prior knows the law of the mask, and takes each visible
    token for one of ``levels`` equally likely ones. That costs, and without it the bound would be
    none.

    Attributes:
      levels: the number of tokens beside the mask.
      num_steps: the number of steps of the chain.
    """

    levels: int = struct.field(pytree_node=False)
    num_steps: int = struct.field(pytree_node=False, default=1000)

    def step(self, t: Time) -> Int[Array, ""]:
        """Return the number of steps that are done at t, at least one."""
        return jnp.minimum(jnp.floor(t * self.num_steps).astype(int) + 1, self.num_steps)

    def perturb(self, x0: Tokens, t: Time, key: Array) -> Tokens:
        count_key, set_key = jax.random.split(key)
        return self.mask_positions(x0, self._draw_count(x0.size, self.step(t), count_key), set_key)

    def prior_sample(self, key: Array, shape: tuple[int, ...]) -> Tokens:
        token_key, mask_key = jax.random.split(key)
        tokens = jax.random.randint(token_key, shape, 0, self.levels, self.dtype)
        return self.perturb(tokens, self.t_max, mask_key)

    def reach(self, length: int) -> Float[Array, " length"]:
        return jnp.asarray(np.cumsum(self._law(length)[-1][::-1])[::-1][1:])

    def prior_log_prob(self, length: int) -> Scalar:
        return -(length - jnp.sum(self.reach(length))) * np.log(self.levels)

    def weight(self, t: Time, masked: Int[Array, ""], length: int) -> Scalar:
        """Return ``num_steps`` times the probability that one given mask was the last step's."""
        one_of_them = self.filling_prob(self.step(t), masked, length) / jnp.maximum(masked, 1)
        return self.num_steps * one_of_them

    def filling_prob(
        self, step: Int[Array, ""] | int, masked: Int[Array, ""] | int, length: int
    ) -> Scalar:
        """Return the probability that step number ``step`` put one of the m masks there.

        By Bayes' rule it is ``q_{i-1}(m-1) (L-m+1) / (L q_i(m))``, where q_i is the law of the
        number of masks after i steps. Each of the masks is as likely.
        """
        return jnp.asarray(_filling_probs(length, self.num_steps))[step, masked]

    def _draw_count(self, length: int, step: Int[Array, ""], key: Array) -> Int[Array, ""]:
        shares = jnp.asarray(np.cumsum(self._law(length), axis=1))[step]
        return jnp.sum(jax.random.uniform(key) >= shares[:-1])

    def _law(self, length: int) -> Any:
        return count_law(length, self.num_steps)


@lru_cache(maxsize=8)
def count_law(length: int, steps: int) -> Float[np.ndarray, "steps+1 length+1"]:
    """Return the law of the number of masks after 0, 1, ... steps of the chain of one position.

    ``q_{i+1}(m) = (m/L) q_i(m) + ((L-m+1)/L) q_i(m-1)``, in float64.

    >>> count_law(2, 2).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.5, 0.5]]
    """
    stay = np.arange(length + 1) / length
    law = np.zeros((steps + 1, length + 1))
    law[0, 0] = 1.0
    for i in range(steps):
        law[i + 1] = stay * law[i]
        law[i + 1, 1:] += (1 - stay[:-1]) * law[i, :-1]
    return law


@lru_cache(maxsize=8)
def _filling_probs(length: int, steps: int) -> Float[np.ndarray, "steps+1 length+1"]:
    law, moves = count_law(length, steps), 1 - np.arange(length) / length
    found = np.zeros_like(law)
    joint = moves * law[:-1, :-1]
    np.divide(joint, law[1:, 1:], out=found[1:, 1:], where=law[1:, 1:] > 0)
    return found
