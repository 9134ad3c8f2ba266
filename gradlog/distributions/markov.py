"""A Markov chain: a law of tokens whose conditionals are known under any mask."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int, Shaped

from gradlog.sde_lib.pytree import pytree

Tokens = Int[Array, " length"]


@pytree
class MarkovChain:
    """``length`` tokens, each drawn given the one before.

    It is what `Distribution` is for continuous processes: an exact model, which holds estimators
    and samplers of discrete data against the truth.

    >>> import jax.numpy as jnp
    >>> chain = MarkovChain(jnp.array([0.5, 0.5]), jnp.array([[0.9, 0.1], [0.1, 0.9]]), length=3)
    >>> round(float(jnp.exp(chain.log_prob(jnp.array([0, 0, 1])))), 4)
    0.045
    >>> probs = jnp.exp(chain.logits(jnp.array([0, 2, 0])))[1]  # 2 is the mask
    >>> [round(float(prob), 4) for prob in probs]
    [0.9878, 0.0122]

    Attributes:
      initial: probabilities of the first token.
      transition: probabilities of a token in the row of the token before it.
      length: the number of tokens.
    """

    initial: Float[Array, " levels"]
    transition: Float[Array, "levels levels"]
    length: int = struct.field(pytree_node=False)

    @property
    def levels(self) -> int:
        """The number of different tokens; the mask is the next number."""
        return len(self.initial)

    def sample(self, key: Array) -> Tokens:
        """Draw one sequence."""
        first, *others = jax.random.split(key, self.length)
        x = [jax.random.categorical(first, jnp.log(self.initial))]
        for each in others:
            x.append(jax.random.categorical(each, jnp.log(self.transition[x[-1]])))
        return jnp.stack(x)

    def log_prob(self, x: Tokens) -> Float[Array, ""]:
        """Return the log probability of a sequence in nats."""
        steps = jnp.log(self.transition[x[:-1], x[1:]])
        return jnp.log(self.initial[x[0]]) + jnp.sum(steps)

    def logits(self, x: Tokens) -> Float[Array, "length levels"]:
        """Return ``log P(x_l = v | visible tokens)`` in nats for each position l.

        A masked position holds the number ``levels``. For a visible position it is the law given
        the other tokens.
        """
        return self.leave_one_out(
            (x[:, None] == jnp.arange(self.levels)) | (x == self.levels)[:, None]
        )

    def leave_one_out(self, seen: Shaped[Array, "length levels"]) -> Float[Array, "length levels"]:
        """Return ``log P(x_l = v | what is seen of the other positions)`` in nats, for each l.

        Forward and backward sums give it (Rabiner 1989, section III).

        Args:
          seen: the probability of what is seen of each position, given each token there.
        """

        def forward(before, here):  # before: P(x_l, tokens seen before l), up to a factor
            after = (before * here) @ self.transition
            return after / jnp.sum(after), before

        def backward(after, here):  # after: P(tokens seen after l | x_l), up to a factor
            before = self.transition @ (after * here)
            return before / jnp.sum(before), after

        _, before = jax.lax.scan(forward, self.initial, seen)
        _, after = jax.lax.scan(backward, jnp.ones_like(self.initial), seen, reverse=True)
        joint = before * after
        return jnp.log(joint / jnp.sum(joint, axis=-1, keepdims=True))

    def logits_fn(self) -> Callable[..., Float[Array, "length levels"]]:
        """Return ``(x, t) -> logits``, which a `BoundModel` takes; they do not depend on t."""
        return lambda x, t: self.logits(x)
