"""The contracts of forward processes on tokens."""

from abc import abstractmethod
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gradlog.sde_lib.base import Kind, Process, Scalar, Time

Tokens = Int[Array, "*D"]


class Discrete(Process):
    """A forward process on tokens: each position holds a whole number from 0 to ``levels - 1``.

    It is the sibling of `SDE`: what an SDE's score is to it, the law of the clean token at each
    position is to a discrete process. Times lie in [0, t_max]. All functions take one example of
    any shape, and a scalar time.
    """

    dtype: ClassVar[Any] = jnp.int32
    levels: int

    @abstractmethod
    def perturb(self, x0: Tokens, t: Time, key: Array) -> Tokens:
        """Return a sample of x_t for a datum x0."""

    @abstractmethod
    def prior_sample(self, key: Array, shape: tuple[int, ...]) -> Tokens:
        """Return a sample of the prior."""


class JumpProcess(Discrete):
    """A process in continuous time whose positions jump independently of each other.

    The reverse jumps at position l from its token z to y with the rate of the jump from y to z,
    times ``p_t(x with y at l) / p_t(x)`` (Lou et al. 2023, arXiv:2310.16834, section 2). This ratio
    follows from the law of the clean token at l given all other tokens of x. The logits of a model
    are this law. The token at l is no part of what is given: the process knows what it tells.
    """

    @abstractmethod
    def perturb_by_count(self, x0: Tokens, u: Scalar, key: Array) -> tuple[Tokens, Scalar, Scalar]:
        """Return a noisy x0, a time, and the weight of what is computed there.

        The mean of the weighted cost over u and the key is the integral of the cost over time, for
        a cost that is zero without noise or finite there. u, uniform in [0, 1), selects how many
        tokens have noise. If it selected the time, the variance would be larger.
        """

    @abstractmethod
    def jump_rates(self, x: Tokens, t: Time) -> Float[Array, "*D levels"]:
        """Return the rate of the jump from each token y to that of x; 0 for y itself."""

    @abstractmethod
    def log_ratios(
        self, log_probs: Float[Array, "*D levels"], x: Tokens, t: Time
    ) -> Float[Array, "*D levels"]:
        """Return ``log p_t(x with y at l) / p_t(x)`` for each position l and token y.

        It has a meaning where there is a jump, and is finite unless a probability is zero.

        Args:
          log_probs: ``log p(x0_l = v | the tokens of x but that at l)``, normalized.
          x: the tokens at time t.
          t: the time, inside of (0, t_max).
        """


class Absorbing(Discrete):
    """A process that replaces tokens by a mask, one more token, which never changes again.

    A position still holds its own token, or the mask: so the reverse has only to say which masks to
    fill, which the process knows, and with what, ``p(x_l | visible tokens)``, which is learned. The
    time is of no use to it. With ``c_m = E_{|A| = m} (1/m) sum_{l in A} -log p(x_l | x outside of
    A)``, A uniform among the sets of m positions, each such process has the bound

    ``-log p(x) <= -log prior + sum_{m = 1}^L reach(m) c_m``,

    where ``reach(m)`` is the probability that m masks are there at the end.
    """

    kind: ClassVar[Kind] = "masks"

    @property
    def mask(self) -> int:
        """The token of the mask."""
        return self.levels

    @abstractmethod
    def reach(self, length: int) -> Float[Array, " length"]:
        """Return the probabilities that at the end at least 1, 2, ..., length masks are there."""

    @abstractmethod
    def prior_log_prob(self, length: int) -> Scalar:
        """Return the expected log probability in nats of the tokens that are visible at the end."""

    @abstractmethod
    def weight(self, t: Time, masked: Int[Array, ""], length: int) -> Scalar:
        """Return w such that w times the cross-entropy of all masks at t has the bound's mean.

        The cross-entropy is the sum over masked positions of ``-log p(x_l | visible)`` in nats. The
        mean is over t uniform in [0, 1] and over x_t, and is the sum over m above. Without a mask
        the weight is zero.

        Args:
          t: the time.
          masked: the number of masks of x_t.
          length: the number of positions.
        """

    def mask_positions(self, x0: Tokens, count: Int[Array, ""] | int, key: Array) -> Tokens:
        """Return x0 with masks at a uniformly drawn set of ``count`` positions."""
        ranks = jax.random.permutation(key, x0.size).reshape(x0.shape)
        return jnp.where(ranks < count, self.mask, x0)
