"""Distributions of the time of a training example: proposals with a known density.

A proposal maps ``u ~ U[0, 1)`` to a time t in [eps, t_max] and ``1 / p(t)``. Then ``weight(t) /
p(t)`` times the integrand is an unbiased estimate of the integral over time for every proposal.
Stratified u (one in each of n equal cells) reduce the variance further. Proposals of discrete
levels give a mean over levels instead of an integral, and return one for ``1 / p``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.sde_lib import SDE

Scalar = Float[Array, ""]
# ``(process, t) -> lambda(t) / sigma(t)^2``
Weight = Callable[[SDE, Scalar], Scalar]


class TimeProposal(Protocol):
    """``u -> (t, 1 / p(t))``."""

    def __call__(self, process: SDE, eps: float, u: Scalar) -> tuple[Scalar, Scalar]: ...


@dataclass(frozen=True)
class UniformTime:
    """The uniform distribution of t."""

    def __call__(self, process: SDE, eps: float, u: Scalar) -> tuple[Scalar, Scalar]:
        span = process.t_max - eps
        return eps + u * span, jnp.asarray(span)


@dataclass(frozen=True)
class UniformLogRho:
    """The uniform distribution of log rho: its density is proportional to ``g^2/sigma^2``.

    For the likelihood weighting ``weight / p`` is the constant ``Z = 2 (log rho_T - log rho_eps)``.
    """

    def __call__(self, process: SDE, eps: float, u: Scalar) -> tuple[Scalar, Scalar]:
        low, high = process.log_rho(eps), process.log_rho(process.t_max)
        t = process.time_of_log_rho(low + u * (high - low))
        return t, (high - low) / process.log_rho_rate(t)


@dataclass(frozen=True)
class Tabulated:
    """The density proportional to any weighting, by a tabulated inverse of its cumulative.

    The cells of the table are even in log rho, and inside a cell the density is constant in log
    rho. The returned density is that of the table itself: a coarse table increases the variance but
    adds no bias.
    """

    weighting: Weight
    cells: int = 1024

    def __call__(self, process: SDE, eps: float, u: Scalar) -> tuple[Scalar, Scalar]:
        edges, cumulative = self.table(process, eps)
        # Rounding may move u to the far end, where cells are empty and the next edge is missing.
        u = jnp.minimum(u, jnp.nextafter(cumulative[-1], 0.0))
        cell = jnp.clip(jnp.searchsorted(cumulative, u, side="right") - 1, 0, self.cells - 1)
        mass = cumulative[cell + 1] - cumulative[cell]
        width = edges[cell + 1] - edges[cell]
        t = process.time_of_log_rho(edges[cell] + width * (u - cumulative[cell]) / mass)
        return t, width / (mass * process.log_rho_rate(t))

    def table(self, process: SDE, eps: float) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """Return the edges of the cells in log rho, and the share of the weight below each edge."""
        edges = jnp.linspace(process.log_rho(eps), process.log_rho(process.t_max), self.cells + 1)

        def weight_per_log_rho(log_rho):
            t = process.time_of_log_rho(log_rho)
            return self.weighting(process, t) / process.log_rho_rate(t)

        weights = jax.vmap(weight_per_log_rho)(0.5 * (edges[1:] + edges[:-1]))
        # With a floor the inverse exists where the weighting vanishes.
        weights = jnp.maximum(weights, 1e-6 * jnp.max(weights))
        cumulative = jnp.concatenate([jnp.zeros(1), jnp.cumsum(weights)])
        return edges, cumulative / cumulative[-1]


@dataclass(frozen=True)
class Ladder:
    """``num_scales`` levels of equal probability (Song & Ermon 2019, arXiv:1907.05600, eq. 6).

    The levels are those of ``process.ladder``: from t_max down to eps, geometric in rho. The loss
    is then the mean over levels of ``weight`` times the integrand, not an integral over time, so
    ``1 / p`` is one. With the weighting ``sigma^2`` it is NCSN's loss.

    Raises:
      ValueError: there are fewer than two levels.
    """

    num_scales: int

    def __post_init__(self) -> None:
        if self.num_scales < 2:
            raise ValueError(f"num_scales must be at least 2, got {self.num_scales}")

    def __call__(self, process: SDE, eps: float, u: Scalar) -> tuple[Scalar, Scalar]:
        # Rounding may move u to one.
        level = jnp.minimum(jnp.floor(u * self.num_scales).astype(int), self.num_scales - 1)
        return process.ladder(eps, self.num_scales)[level], jnp.ones(())


@dataclass(frozen=True)
class Steps:
    """The times ``i t_max / num_steps``, i from 1 on, with equal probability (Ho et al. 2020).

    arXiv:2006.11239, algorithm 1. With the process `ddpm`, the weighting ``sigma^2`` and a network
    that predicts z, the loss is DDPM's simple one. As for `Ladder` the loss is a mean, so ``1 / p``
    is one.

    Raises:
      ValueError: ``num_steps`` is below one.
    """

    num_steps: int

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, got {self.num_steps}")

    def __call__(self, process: SDE, eps: float, u: Scalar) -> tuple[Scalar, Scalar]:
        del eps
        # Rounding may move u to one.
        step = jnp.minimum(jnp.floor(u * self.num_steps) + 1, self.num_steps)
        return process.t_max * step / self.num_steps, jnp.ones(())


@dataclass(frozen=True)
class OneLevel:
    """The level eps alone: the loss is ``weight`` times the integrand there; ``1 / p`` is one."""

    def __call__(self, process: SDE, eps: float, u: Scalar) -> tuple[Scalar, Scalar]:
        del process
        return jnp.full_like(u, eps), jnp.ones(())


def stratified(position: jax.Array, size: int, key: jax.Array) -> Scalar:
    """Return a number u that is uniform in the cell ``[position, position + 1) / size``."""
    return (position + jax.random.uniform(key)) / size
