"""Samplers of masked models, which fill masks.

Which masks to fill, and with what, are drawn apart. One draw among "stay masked" and all tokens
would be wrong in float32. Its Gumbel noise ends at 16, so an event of probability p is drawn with
``p y / (e^y - 1)``, ``y = 2^-23 / p``, too rarely. With 1,000 steps an ordinary token is such an
event.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from gradlog.models import BoundModel
from gradlog.sampling.base import Sample, Sampler
from gradlog.sde_lib import (
    Absorbing,
    Discrete,
    LevelMasking,
    Masking,
    OnePosition,
    grid_of_times,
)

Tokens = Int[Array, "*D"]
Masks = Bool[Array, "*D"]
# (masks, drawn tokens, their log probabilities, step, key) -> the masks after the step.
NextMasks = Callable[[Masks, Tokens, Float[Array, "*D"], Int[Array, ""], jax.Array], Masks]


@dataclass(frozen=True, kw_only=True)
class Unmasking:
    """Steps of one evaluation each: a token is drawn for every mask, and some of them are kept.

    A token that was there from the start is never masked.

    Attributes:
      temperature: the tokens are drawn from the softmax of ``logits / temperature``. Samples have
        the law of the model only for 1.
      top_p: of these the likeliest are possible, as many as have this probability together. Samples
        have the law of the model only for 1.
      frames: number of states from first to last that a `Sample` carries; 0 for none.
    """

    accepts: ClassVar[type[Discrete]] = Absorbing

    temperature: float = 1.0
    top_p: float = 1.0
    frames: int = 0

    @property
    def evaluations(self) -> int | None:
        """None if it depends on the number of positions, or on the process."""
        return None

    @abstractmethod
    def plan(self, process: Any, hidden: Masks, key: jax.Array) -> tuple[int, NextMasks]:
        """Return the number of steps, and which masks there are after each."""

    def logits(
        self, model: BoundModel, x: Tokens, step: Int[Array, ""]
    ) -> Float[Array, "*D levels"]:
        """Return the log probabilities of the tokens behind the masks."""
        del step
        return model.logits(x)

    def __call__(self, model: BoundModel, z: Tokens, key: jax.Array) -> Sample:
        plan_key, walk_key = jax.random.split(key)
        mask, start = model.process.mask, z.astype(model.process.dtype)
        hidden = start == mask
        steps, next_masks = self.plan(model.process, hidden, plan_key)

        def step(carry, index):
            x, ok = carry
            masks_key, token_key = jax.random.split(jax.random.fold_in(walk_key, index))
            logits = sharpen(self.logits(model, x, index), self.temperature, self.top_p)
            drawn = draw_tokens(token_key, logits)
            log_probs = jnp.take_along_axis(logits, drawn[..., None], axis=-1)[..., 0]
            masked = hidden & next_masks(x == mask, drawn, log_probs, index, masks_key)
            x = jnp.where(masked, mask, jnp.where(x == mask, drawn, x))
            ok &= jnp.all(jnp.isfinite(jnp.max(logits, axis=-1)))
            return (x, ok), x if self.frames else None

        (x, ok), states = jax.lax.scan(step, (start, jnp.asarray(True)), jnp.arange(steps))
        path = None
        if states is not None:
            shown = np.round(np.linspace(0, steps, self.frames)).astype(int)
            path = jnp.concatenate([start[None], states])[shown]
        return Sample(x=x, nfe=jnp.asarray(steps), ok=ok & jnp.all(x != mask), path=path)


def sharpen(
    logits: Float[Array, "*D levels"], temperature: float, top_p: float
) -> Float[Array, "*D levels"]:
    """Return the log probabilities of tokens at a temperature, without the unlikely tail.

    The tail begins where the likelier tokens have the probability ``top_p`` together (Holtzman et
    al. 2020, arXiv:1904.09751, section 3.1).
    """
    if temperature != 1:
        logits = jax.nn.log_softmax(logits / temperature)
    if top_p < 1:
        probs = jnp.exp(logits)
        down = -jnp.sort(-probs, axis=-1)
        likelier = jnp.cumsum(down, axis=-1) - down
        least = jnp.min(jnp.where(likelier < top_p, down, 1.0), axis=-1, keepdims=True)
        logits = jax.nn.log_softmax(jnp.where(probs >= least, logits, -jnp.inf))
    return logits


def draw_tokens(key: jax.Array, logits: Float[Array, "*D levels"]) -> Tokens:
    """Draw a token for each row of logits.

    Its noise resolves probabilities far below 2^-23 (JAX's mode 'high').
    """
    return jax.random.categorical(key, logits, mode="high")


@dataclass(frozen=True)
class AncestralUnmasking(Unmasking):
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

    def plan(self, process: Any, hidden: Masks, key: jax.Array) -> tuple[int, NextMasks]:
        times = jnp.asarray(grid_of_times(self.num_steps))
        probs = jax.vmap(process.unmasking_prob)(times[:-1], times[1:])

        def next_masks(masked, drawn, log_probs, step, key):
            return masked & (jax.random.uniform(key, masked.shape) >= probs[step])

        return self.num_steps, next_masks


@dataclass(frozen=True)
class Remasking(Unmasking):
    """Ancestral steps that also mask tokens again, so that early mistakes can be mended: ReMDM.

    Until s < t a token becomes a mask with probability ``sigma``, and a mask is filled with
    ``(alpha_s - (1 - sigma) alpha_t) / (1 - alpha_t)``. So the share of masks is that of the
    process at every time, whatever sigma up to ``(1 - alpha_s) / alpha_t`` (Wang et al. 2025,
    arXiv:2503.00307, section 3). Sigma is ``remask_scale`` times this largest value (their
    'rescale'), at most ``remask_cap`` (their 'cap'). With zero it is ancestral sampling.
    """

    accepts = Masking

    num_steps: int = 1000
    remask_cap: float = 0.02
    remask_scale: float = 1.0

    @property
    def evaluations(self) -> int:
        return self.num_steps

    def plan(self, process: Any, hidden: Masks, key: jax.Array) -> tuple[int, NextMasks]:
        times = jnp.asarray(grid_of_times(self.num_steps))
        remasked, filled = jax.vmap(lambda t, s: self.probs(process, t, s))(times[:-1], times[1:])

        def next_masks(masked, drawn, log_probs, step, key):
            u = jax.random.uniform(key, masked.shape)
            return jnp.where(masked, u >= filled[step], u < remasked[step])

        return self.num_steps, next_masks

    def probs(self, process: Masking, t, s) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Return the probabilities that a token is masked, and that a mask is filled."""
        before, after = process.schedule.masked(t), process.schedule.masked(s)
        visible = 1 - before
        tiny = jnp.finfo(jnp.float32).tiny  # in a single step both are zero
        largest = after / jnp.maximum(jnp.maximum(visible, after), tiny)
        sigma = jnp.minimum(self.remask_scale * largest, self.remask_cap)
        return sigma, (before - after + sigma * visible) / before


@dataclass(frozen=True)
class ConfidenceOrder(Unmasking):
    """Keep the tokens that the model is surest of, and mask the others again: MaskGIT.

    Chang et al. 2022, arXiv:2202.04200, section 3.2. After each of ``num_steps`` steps as many
    masks remain as the schedule of the process says at that time, and at least one is filled. A
    drawn token counts by its log probability plus Gumbel noise, whose scale falls linearly from
    ``confidence_noise`` to zero, as in their code. Likely tokens are kept more often. So samples do
    not have the law of the model, even after many steps.
    """

    accepts = Masking

    num_steps: int = 1000
    confidence_noise: float = 4.5

    @property
    def evaluations(self) -> int:
        return self.num_steps

    def plan(self, process: Any, hidden: Masks, key: jax.Array) -> tuple[int, NextMasks]:
        times = jnp.asarray(grid_of_times(self.num_steps))[1:]
        remaining = jnp.round(jnp.sum(hidden) * jax.vmap(process.schedule.masked)(times))

        def next_masks(masked, drawn, log_probs, step, key):
            noise = self.confidence_noise * times[step] * jax.random.gumbel(key, masked.shape)
            sureness = jnp.where(masked, log_probs + noise, jnp.inf)
            ranks = jnp.argsort(jnp.argsort(sureness, axis=None)).reshape(masked.shape)
            return ranks < jnp.minimum(remaining[step], jnp.sum(masked) - 1)

        return self.num_steps, next_masks


@dataclass(frozen=True)
class FirstHitting(Unmasking):
    """Fill the masks in a uniformly drawn order, ``group_size`` at once.

    In continuous time no two masks are filled together, and each order is as likely: so to fill
    them one by one has no error at all, with as many evaluations as positions (Zheng et al. 2024,
    arXiv:2409.02908). Groups are cheaper, and positions of a group do not see each other.
    """

    group_size: int = 1

    def plan(self, process: Any, hidden: Masks, key: jax.Array) -> tuple[int, NextMasks]:
        ranks = jax.random.permutation(key, hidden.size).reshape(hidden.shape)

        def next_masks(masked, drawn, log_probs, step, key):
            return masked & (ranks // self.group_size > step)

        return -(-hidden.size // self.group_size), next_masks


@dataclass(frozen=True)
class ReverseChain(Unmasking):
    """The steps of `OnePosition`, backward: in each at most one mask is filled.

    With m masks after step i one of them, each as likely, was put there by that step with a
    probability that Bayes' rule gives (`OnePosition.filling_prob`).
    """

    accepts = OnePosition

    def plan(self, process: Any, hidden: Masks, key: jax.Array) -> tuple[int, NextMasks]:
        last = process.num_steps

        def next_masks(masked, drawn, log_probs, step, key):
            fill_key, place_key = jax.random.split(key)
            prob = process.filling_prob(last - step, jnp.sum(masked), masked.size)
            scores = jnp.where(masked, jax.random.uniform(place_key, masked.shape), -1.0)
            chosen = jnp.arange(masked.size).reshape(masked.shape) == jnp.argmax(scores)
            return masked & ~(chosen & (jax.random.uniform(fill_key) < prob))

        return last, next_masks


@dataclass(frozen=True)
class LevelUnmasking(Unmasking):
    """Ancestral steps of `LevelMasking`: a mask is filled by its token's own rate.

    The token v behind a mask at t is drawn, and kept until s < t with probability ``(alpha_s -
    alpha_t) / (1 - alpha_t) = 1 - (s/t)^w_v``, else the mask stays (Shi et al. 2024, section 6).
    """

    accepts = LevelMasking

    num_steps: int = 1000

    @property
    def evaluations(self) -> int:
        return self.num_steps

    def logits(
        self, model: BoundModel, x: Tokens, step: Int[Array, ""]
    ) -> Float[Array, "*D levels"]:
        t = jnp.asarray(grid_of_times(self.num_steps))[step]
        return model.process.behind_masks(model.logits(x, t), t)

    def plan(self, process: Any, hidden: Masks, key: jax.Array) -> tuple[int, NextMasks]:
        times = jnp.asarray(grid_of_times(self.num_steps))

        def next_masks(masked, drawn, log_probs, step, key):
            stay = (times[step + 1] / times[step]) ** process.exponents[drawn]
            return masked & (jax.random.uniform(key, masked.shape) < stay)

        return self.num_steps, next_masks


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
    known: Masks
    x0: Tokens

    @property
    def evaluations(self) -> int | None:
        return self.sampler.evaluations

    def __call__(self, model: BoundModel, z: Tokens, key: jax.Array) -> Sample:
        hidden = jnp.full_like(z, model.process.mask)
        return self.sampler(model, jnp.where(self.known, self.x0, hidden), key)
