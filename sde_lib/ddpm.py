"""The discrete chain of DDPM, as a path in continuous time."""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int

from gradlog.sde_lib.base import SDE, Scalar, Time
from gradlog.sde_lib.pytree import pytree


@pytree
class DDPM(SDE):
    """``alpha_i^2 = prod_{j<=i} (1 - beta_j)`` at ``t = i/N`` (Ho et al. 2020, arXiv:2006.11239).

    ``beta_1 .. beta_N`` go evenly from ``beta_min/N`` to ``beta_max/N``; ``sigma^2 = 1 - alpha^2``,
    and t = 0 is clean. Between two nodes log alpha is linear in t, so that a step from node to node
    has exactly DDPM's beta_i. The index that score_sde counts from 0 is ``i - 1``.

    Raises:
      ValueError: a beta would not lie below one, or there is only one.
    """

    beta_min: float = 0.1
    beta_max: float = 20.0
    num_steps: int = struct.field(pytree_node=False, default=1000)

    def __post_init__(self) -> None:
        # Of a number that is traced nothing can be said.
        largest = self.beta_max if isinstance(self.beta_max, int | float) else 0
        if self.num_steps < 2 or self.num_steps <= largest:
            raise ValueError(
                f"num_steps = {self.num_steps} must be at least 2, and more than beta_max = "
                f"{self.beta_max}: beta_max/num_steps is a share of the variance"
            )

    def betas(self) -> Float[Array, " num_steps"]:
        """``beta_1 .. beta_N``."""
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
        """The number of the interval between the nodes i and i + 1; the last goes on to the end."""
        return jnp.clip(i, 0, self.num_steps - 1).astype(int)

    def _slopes(self) -> Float[Array, " num_steps"]:
        """What log alpha falls by from node to node."""
        return 0.5 * jnp.log1p(-self.betas())

    def _nodes(self) -> Float[Array, " num_steps+1"]:
        """``log alpha`` at ``t = 0, 1/N, .., 1``.

        The sum of betas in closed form, and of the rest, which is of their squares, by adding: the
        rounding of a sum of a thousand terms would be seen in alpha.
        """
        i = jnp.arange(self.num_steps + 1, dtype=float)
        growth = (self.beta_max - self.beta_min) / (2 * self.num_steps * (self.num_steps - 1))
        linear = i * (self.beta_min / self.num_steps) + i * (i - 1) * growth
        rest = jnp.cumsum(jnp.log1p(-self.betas()) + self.betas())
        return -0.5 * linear + 0.5 * jnp.append(0.0, rest)
