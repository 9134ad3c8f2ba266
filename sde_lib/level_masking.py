"""Masking in continuous time with a rate for each level, which is learned."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from gradlog.sde_lib.base import Kind, Scalar, Time
from gradlog.sde_lib.discrete import Discrete, Tokens
from gradlog.sde_lib.pytree import pytree


@pytree
class LevelMasking(Discrete):
    """A token v is masked by time t with probability ``t^w_v``, independently of the others.

    Shi et al. 2024, arXiv:2406.04329, section 6 (GenMD4). Tokens that are masked early are filled
    late. A mask tells something of the token behind it, and how much depends on the time, which the
    reverse has to know. Since all are masked at t = 1, the prior costs nothing. Times lie
    inside of (0, 1).

    Attributes:
      levels: the number of tokens beside the mask.
      exponents: w of each token, positive. With one number for all it is `Masking`.
    """

    kind: ClassVar[Kind] = "level_masks"
    levels: int = struct.field(pytree_node=False)
    exponents: Float[Array, " levels"]

    @property
    def mask(self) -> int:
        """The token of the mask."""
        return self.levels

    def log_masked(self, t: Time) -> Float[Array, " levels"]:
        """Return the log probability that each token is masked at t."""
        return self.exponents * jnp.log(t)

    def rates(self, t: Time) -> Float[Array, " levels"]:
        """Return ``-alpha'_v / (1 - alpha_v)``, the rate of ``log_masked``."""
        return self.exponents / t

    def perturb(self, x0: Tokens, t: Time, key: Array) -> Tokens:
        hidden = jax.random.uniform(key, x0.shape) < jnp.exp(self.log_masked(t))[x0]
        return jnp.where(hidden, self.mask, x0)

    def log_prob(self, x_t: Tokens, x0: Tokens, t: Time) -> Scalar:
        """Return the log probability of the masks of ``x_t``, given the datum."""
        hidden = self.log_masked(t)[x0]
        visible = jnp.log(-jnp.expm1(hidden))
        return jnp.sum(jnp.where(x_t == self.mask, hidden, visible))

    def prior_sample(self, key: Array, shape: tuple[int, ...]) -> Tokens:
        del key
        return jnp.full(shape, self.mask, self.dtype)

    def behind_masks(self, logits: Float[Array, "*D levels"], t: Time) -> Float[Array, "*D levels"]:
        """Return the log probabilities of tokens behind masks at t.

        Args:
          logits: ``log p(x0_l = v | the tokens but that at l)``, up to a constant.
          t: the time.
        """
        return jax.nn.log_softmax(logits + self.log_masked(t))

    def metrics(self) -> dict[str, Scalar]:
        """Return the ends of the exponents, for the log."""
        return {"exponent_min": jnp.min(self.exponents), "exponent_max": jnp.max(self.exponents)}


@dataclass(frozen=True)
class LearnedMasking(Discrete):
    """`LevelMasking` whose exponents are trained; the smallest of them is ``exponent``.

    In continuous time the bound depends on their ratios alone: a common factor is another clock. It
    changes the variance of the bound, which is infinite if an exponent is not above one.

    Raises:
      ValueError: the exponent is not above one.
    """

    kind: ClassVar[Kind] = "level_masks"
    levels: int
    exponent: float = 2.0

    def __post_init__(self) -> None:
        if not self.exponent > 1:
            raise ValueError(
                f"exponent = {self.exponent} must be above 1, or the bound's variance is infinite"
            )

    def init(self, key: Array) -> dict[str, Any]:
        """Return the logs of the exponents, up to a constant: all equal."""
        del key
        return {"log_exponents": jnp.zeros(self.levels)}

    def bind(self, params: dict[str, Any]) -> LevelMasking:
        """Return the process of these parameters."""
        logs = params["log_exponents"]
        return LevelMasking(self.levels, self.exponent * jnp.exp(logs - jnp.min(logs)))
