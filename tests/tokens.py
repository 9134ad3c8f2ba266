"""Laws and models of tokens that are known exactly, for tests."""

import jax
import jax.numpy as jnp
import numpy as np

from gradlog.distributions import MarkovChain
from gradlog.models import BoundModel, Tokens
from gradlog.sde_lib import Uniform


def chain(length: int, levels: int) -> MarkovChain:
    """Return a Markov chain with unequal probabilities."""
    rng = np.random.default_rng(7)
    law = lambda *shape: jnp.asarray(rng.dirichlet(np.ones(levels), shape))  # noqa: E731
    return MarkovChain(law(), law(levels), length)


def exact_model(process, length: int) -> BoundModel:
    """Return a model whose conditionals are those of a Markov chain, under any mask or noise."""
    law = chain(length, process.levels)

    def logits(x, t):
        token_law = jnp.exp(process.log_law(jnp.log(jnp.eye(process.levels)), t))
        return law.leave_one_out(token_law[:, x].T)

    logits = logits if isinstance(process, Uniform) else law.logits_fn()
    return BoundModel(process, logits, Tokens(process.levels))


def wrong_model(process, length: int, gain: float = 1.0) -> BoundModel:
    """Return a model whose conditionals do not belong to one law: its orders disagree."""
    rng, states = np.random.default_rng(3), process.levels + 1
    first = jnp.asarray(rng.normal(size=(length * states, 16)))
    second = jnp.asarray(rng.normal(size=(16, length * process.levels))) * gain

    def logits(x, t):
        del t
        seen = jax.nn.one_hot(x, states, dtype=first.dtype).ravel()
        return (jnp.tanh(seen @ first) @ second).reshape(length, process.levels)

    return BoundModel(process, logits, Tokens(process.levels))
