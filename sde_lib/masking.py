"""Masking in continuous time: each position by itself, at a random time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from gradlog.sde_lib.base import Scalar, Time
from gradlog.sde_lib.discrete import Absorbing, JumpProcess, Tokens
from gradlog.sde_lib.pytree import pytree


class MaskSchedule(Protocol):
    """The share of tokens that are masked at t: 0 at t = 0 and 1 at t = 1, exactly.

    A schedule that ends below one leaves tokens that the prior does not know: the bound would be
    infinite.
    """

    def masked(self, t: Time) -> Scalar:
        """Return ``1 - alpha(t)``."""
        ...

    def visible(self, t: Time) -> Scalar:
        """Return ``alpha(t)``, also exact in float32 near t = 1."""
        ...

    def log_rate(self, t: Time) -> Scalar:
        """Return ``-alpha'(t) / (1 - alpha(t))``, the rate of ``log(1 - alpha)``."""
        ...


@dataclass(frozen=True)
class Polynomial:
    """``1 - alpha = t^exponent`` (Shi et al. 2024, arXiv:2406.04329, table 1).

    Raises:
      ValueError: the exponent is not positive.
    """

    exponent: float = 2.0

    def __post_init__(self) -> None:
        if not self.exponent > 0:
            raise ValueError(f"exponent = {self.exponent} must be positive")

    def masked(self, t: Time) -> Scalar:
        return jnp.asarray(t) ** self.exponent

    def visible(self, t: Time) -> Scalar:
        return -jnp.expm1(self.exponent * jnp.log(t))

    def log_rate(self, t: Time) -> Scalar:
        return self.exponent / jnp.asarray(t)


def linear() -> Polynomial:
    """Return ``1 - alpha = t``: the number of masks is uniform if t is."""
    return Polynomial(1.0)


@dataclass(frozen=True)
class Cosine:
    """``1 - alpha = sin(pi t / 2)`` (Shi et al. 2024, table 1).

    There it is written ``alpha = 1 - cos(pi (1 - t) / 2)``, which float32 does not bring to 1 at 0.
    """

    def masked(self, t: Time) -> Scalar:
        return jnp.sin(jnp.pi / 2 * jnp.asarray(t))

    def visible(self, t: Time) -> Scalar:
        return jnp.sin(jnp.pi / 2 * (1 - jnp.asarray(t))) ** 2 / (1 + self.masked(t))

    def log_rate(self, t: Time) -> Scalar:
        return jnp.pi / 2 / jnp.tan(jnp.pi / 2 * jnp.asarray(t))


MASK_SCHEDULES: dict[str, Callable[..., MaskSchedule]] = {
    "cosine": Cosine,
    "linear": linear,
    "polynomial": Polynomial,
}


@pytree
class Masking(Absorbing, JumpProcess):
    """Each position is masked by time t with probability ``1 - alpha(t)``, independently.

    Austin et al. 2021, arXiv:2107.03006; in continuous time Shi et al. 2024, arXiv:2406.04329, and
    Sahoo et al. 2024, arXiv:2406.07524. It is the limit of `OnePosition` for many steps. Since
    ``alpha(1)`` is zero, the prior is one state, all masks, and costs nothing. The bound does not
    depend on the schedule. The variance of its estimates does, and so do the steps of samplers.

    Attributes:
      levels: the number of tokens beside the mask.
      schedule: the share of masks over time.
    """

    levels: int = struct.field(pytree_node=False)
    schedule: MaskSchedule = struct.field(pytree_node=False, default=Polynomial(1.0))

    def alpha(self, t: Time) -> Scalar:
        """Return the probability that a position is not masked."""
        return self.schedule.visible(t)

    def perturb(self, x0: Tokens, t: Time, key: Array) -> Tokens:
        hidden = jax.random.uniform(key, x0.shape) < self.schedule.masked(t)
        return jnp.where(hidden, self.mask, x0)

    def prior_sample(self, key: Array, shape: tuple[int, ...]) -> Tokens:
        del key
        return jnp.full(shape, self.mask, self.dtype)

    def reach(self, length: int) -> Float[Array, " length"]:
        return jnp.ones(length)

    def prior_log_prob(self, length: int) -> Scalar:
        del length
        return jnp.zeros(())

    def weight(self, t: Time, masked: Int[Array, ""], length: int) -> Scalar:
        """Return ``-alpha' / (1 - alpha)`` (Shi et al. 2024, eq. 7)."""
        del length
        t = jnp.where(masked > 0, t, 1.0)  # at t = 0, where nothing is masked, the rate is infinite
        return jnp.where(masked > 0, self.schedule.log_rate(t), 0.0)

    def perturb_by_count(self, x0: Tokens, u: Scalar, key: Array) -> tuple[Tokens, Scalar, Scalar]:
        """Return x0 with ``m = 1 + floor(u L)`` masks, a middle time, and its weight.

        The bound has the weight ``L/m`` for the cross-entropy, which has ``-alpha'/(1 - alpha)`` in
        the integrand over time; the time itself has no effect.
        """
        count = jnp.minimum(jnp.floor(u * x0.size).astype(int), x0.size - 1) + 1
        t = jnp.asarray(0.5)
        x_t = self.mask_positions(x0, count, key)
        return x_t, t, x0.size / count / self.schedule.log_rate(t)

    def jump_rates(self, x: Tokens, t: Time) -> Float[Array, "*D levels"]:
        """Return ``-alpha' / alpha`` for the jumps into a mask."""
        rate = self.schedule.log_rate(t) * self.schedule.masked(t) / self.alpha(t)
        rates = jnp.where(x == self.mask, rate, 0.0)[..., None]
        return jnp.broadcast_to(rates, (*x.shape, self.levels))

    def log_ratios(
        self, log_probs: Float[Array, "*D levels"], x: Tokens, t: Time
    ) -> Float[Array, "*D levels"]:
        """Return ``log alpha / (1 - alpha)`` more than the logits (Lou et al. 2023)."""
        del x
        return log_probs + jnp.log(self.alpha(t)) - jnp.log(self.schedule.masked(t))

    def unmasking_prob(self, t: Time, t_next: Time) -> Scalar:
        """Return the probability that a mask at t is filled by ``t_next`` < t, by Bayes' rule."""
        before, after = self.schedule.masked(t), self.schedule.masked(t_next)
        return (before - after) / before


def grid_of_times(num_steps: int) -> Float[np.ndarray, " n"]:
    """Return ``num_steps`` + 1 even times from 1 down to 0, both exact."""
    return np.arange(num_steps, -1, -1) / num_steps
