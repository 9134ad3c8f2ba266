"""The discrete chain of DDPM as a path in continuous time."""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int

from gradlog.sde_lib.base import SDE, Scalar, Time
from gradlog.sde_lib.pytree import pytree


@pytree
class DDPM(SDE):
    """``alpha_i^2 = prod_{j<=i} (1 - beta_j)`` at ``t = i/N`` (Ho et al. 2020, arXiv:2006.11239).

    The numbers ``beta_1 .. beta_N`` are evenly spaced from ``beta_min/N`` to ``beta_max/N``. The
    variance is ``sigma^2 = 1 - alpha^2``, and x is clean at t = 0. Between two nodes log alpha is
    linear in t, so a step from node to node has exactly DDPM's beta_i. score_sde counts from 0: its
    index is ``i - 1``.

    Raises:
      ValueError: a beta would not be below one, or there are fewer than two steps.
    """

    beta_min: float = 0.1
    beta_max: float = 20.0
    num_steps: int = struct.field(pytree_node=False, default=1000)

    def __post_init__(self) -> None:
        # A traced number has no value that could be checked.
        largest = self.beta_max if isinstance(self.beta_max, int | float) else 0
        if self.num_steps < 2 or self.num_steps <= largest:
            raise ValueError(
                f"num_steps = {self.num_steps} must be at least 2, and more than beta_max = "
                f"{self.beta_max}: every beta must be below one"
            )

    def betas(self) -> Float[Array, " num_steps"]:
        """Return ``beta_1 .. beta_N``."""
        return jnp.linspace(self.beta_min, self.beta_max, self.num_steps) / self.num_steps

    def log_alpha(self, t: Time) -> Scalar:
        i = self._interval(jnp.ceil(jnp.asarray(t) * self.num_steps) - 1)
        share = jnp.asarray(t) * self.num_steps - i
        return self._nodes()[i] + share * self._slopes()[i]

    def log_sigma(self, t: Time) -> Scalar:
        return 0.5 * jnp.log(-jnp.expm1(2 * self.log_alpha(t)))

    def log_alpha_of_log_rho(self, log_rho: Time) -> Scalar:
        return -0.5 * jax.nn.softplus(2 * jnp.asarray(log_rho))

    def time_of_log_rho(self, log_rho: Time) -> Scalar:
        log_alpha, nodes = self.log_alpha_of_log_rho(log_rho), self._nodes()
        i = self._interval(jnp.searchsorted(-nodes, -log_alpha) - 1)
        return (i + (log_alpha - nodes[i]) / self._slopes()[i]) / self.num_steps

    def _interval(self, i: Scalar) -> Int[Array, ""]:
        """Return i of the interval between the nodes i and i + 1; the last extends beyond t = 1."""
        return jnp.clip(i, 0, self.num_steps - 1).astype(int)

    def _slopes(self) -> Float[Array, " num_steps"]:
        """Return the change of log alpha from each node to the next."""
        return 0.5 * jnp.log1p(-self.betas())

    def _nodes(self) -> Float[Array, " num_steps+1"]:
        """Return ``log alpha`` at ``t = 0, 1/N, .., 1``.

        The sum of the betas has a closed form, and only the rest, of the order of their squares, is
        added up. A plain sum of a thousand terms would have a visible rounding error in alpha.
        """
        i = jnp.arange(self.num_steps + 1, dtype=float)
        growth = (self.beta_max - self.beta_min) / (2 * self.num_steps * (self.num_steps - 1))
        linear = i * (self.beta_min / self.num_steps) + i * (i - 1) * growth
        rest = jnp.cumsum(jnp.log1p(-self.betas()) + self.betas())
        return -0.5 * linear + 0.5 * jnp.append(0.0, rest)
