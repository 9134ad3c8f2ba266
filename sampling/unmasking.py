"""Samplers of masked models, which fill masks.

Which masks to fill, and with what, are drawn apart. One draw among "stay masked" and all tokens
would be wrong in float32. Its Gumbel noise ends at 16, so an event of probability p is drawn with
``p y / (e^y - 1)``, ``y = 2^-23 / p``, too rarely. With 1,000 steps an ordinary token is such an
event.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from gradlog.models import BoundModel
from gradlog.sampling.base import Sample, Sampler
from gradlog.sde_lib import Absorbing, Masking, OnePosition, grid_of_times

Tokens = Int[Array, "*D"]
# (state, step, key) -> where masks are filled.
Choose = Callable[[Tokens, Int[Array, ""], jax.Array], Bool[Array, "*D"]]


@dataclass(frozen=True)
class AncestralUnmasking:
    """``num_steps`` steps even in time; in each, every mask is filled or not by itself.

    A mask at t is filled until s < t with probability ``(alpha_s - alpha_t) / (1 - alpha_t)`` (Shi
    et al. 2024, arXiv:2406.04329, section 3). Positions that are filled in one step do not see each
    other, so the law is biased; the error vanishes with many steps.
    """

    accepts = Masking

    num_steps: int = 1000

    @property
    def evaluations(self) -> int:
        return self.num_steps

    def __call__(self, model: BoundModel, z: Tokens, key: jax.Array) -> Sample:
        times = jnp.asarray(grid_of_times(self.num_steps))
        probs = jax.vmap(model.process.unmasking_prob)(times[:-1], times[1:])

        def choose(x, step, key):
            return jax.random.uniform(key, x.shape) < probs[step]

        return _fill(model, z, key, self.num_steps, choose)


@dataclass(frozen=True)
class FirstHitting:
    """Fill the masks in a uniformly drawn order, ``group_size`` at once.

    In continuous time no two masks are filled together, and each order is as likely: so to fill
    them one by one has no error at all, with as many evaluations as positions (Zheng et al. 2024,
    arXiv:2409.02908). Groups are cheaper, and positions of a group do not see each other.
    """

    accepts = Absorbing

    group_size: int = 1

    @property
    def evaluations(self) -> None:
        """Not known beforehand: it depends on the number of positions."""
        return None

    def __call__(self, model: BoundModel, z: Tokens, key: jax.Array) -> Sample:
        order_key, fill_key = jax.random.split(key)
        ranks = jax.random.permutation(order_key, z.size).reshape(z.shape)

        def choose(x, step, key):
            del x, key
            return ranks // self.group_size == step

        return _fill(model, z, fill_key, -(-z.size // self.group_size), choose)


@dataclass(frozen=True)
class ReverseChain:
    """The steps of `OnePosition`, backward: in each at most one mask is filled.

    With m masks after step i one of them, each as likely, was put there by that step with a
    probability that Bayes' rule gives (`OnePosition.filling_prob`).
    """

    accepts = OnePosition

    @property
    def evaluations(self) -> None:
        """Not known beforehand: it is the number of steps of the process."""
        return None

    def __call__(self, model: BoundModel, z: Tokens, key: jax.Array) -> Sample:
        process, last = model.process, model.process.num_steps

        def choose(x, step, key):
            fill_key, place_key = jax.random.split(key)
            masked = x == process.mask
            prob = process.filling_prob(last - step, jnp.sum(masked), x.size)
            scores = jnp.where(masked, jax.random.uniform(place_key, x.shape), -1.0)
            is_chosen = jnp.arange(x.size).reshape(x.shape) == jnp.argmax(scores)
            return is_chosen & (jax.random.uniform(fill_key) < prob)

        return _fill(model, z, key, last, choose)


@dataclass(frozen=True)
class KnownTokens:
    """A sampler that begins with some tokens known, and fills the others.

    Nothing has to be corrected, as it has for Gaussian processes: a model with exact conditionals
    gives exact samples of what is hidden, given what is known.

    Attributes:
      sampler: a sampler of masked models.
      known: where x0 is known.
      x0: the datum; its other tokens are not looked at.
    """

    accepts = Absorbing

    sampler: Sampler
    known: Bool[Array, "*D"]
    x0: Tokens

    @property
    def evaluations(self) -> int | None:
        return self.sampler.evaluations

    def __call__(self, model: BoundModel, z: Tokens, key: jax.Array) -> Sample:
        hidden = jnp.full_like(z, model.process.mask)
        return self.sampler(model, jnp.where(self.known, self.x0, hidden), key)


def _fill(model: BoundModel, z: Tokens, key: jax.Array, steps: int, choose: Choose) -> Sample:
    """Fill masks in steps, each with one evaluation of the network. Known tokens stay."""
    mask = model.process.mask

    def step(carry, index):
        x, ok = carry
        where_key, token_key = jax.random.split(jax.random.fold_in(key, index))
        logits = model.logits(x)
        filled = (x == mask) & choose(x, index, where_key)
        x = jnp.where(filled, draw_tokens(token_key, logits), x)
        return (x, ok & jnp.all(jnp.isfinite(jnp.max(logits, axis=-1)))), None

    start = z.astype(model.process.dtype), jnp.asarray(True)
    (x, ok), _ = jax.lax.scan(step, start, jnp.arange(steps))
    return Sample(x=x, nfe=jnp.asarray(steps), ok=ok & jnp.all(x != mask))


def draw_tokens(key: jax.Array, logits: Float[Array, "*D levels"]) -> Tokens:
    """Draw a token for each row of logits.

    Its noise resolves probabilities far below 2^-23 (JAX's mode 'high').
    """
    return jax.random.categorical(key, logits, mode="high")
