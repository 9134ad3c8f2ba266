"""The steps of a discrete diffusion, as times of the continuous one."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.sde_lib import SDE

Scalar = Float[Array, ""]


def _even_in_log_rho(process: SDE, eps: float, count: int) -> Float[Array, " edges"]:
    return jnp.linspace(process.log_rho(eps), process.log_rho(process.t_max), count + 1)


def _even_in_time(process: SDE, eps: float, count: int) -> Float[Array, " edges"]:
    return jax.vmap(process.log_rho)(jnp.linspace(eps, process.t_max, count + 1))


GRIDS: dict[str, Callable[[SDE, float, int], Float[Array, " edges"]]] = {
    "log_rho": _even_in_log_rho,
    "t": _even_in_time,
}


@dataclass(frozen=True)
class Steps:
    """Rounds log rho up to the end of its step; with the factor that makes the integral a sum.

    Of a step from log rho ``l`` to ``l'`` the term in the discrete bound is the KL divergence of
    two Gaussians of the posterior's variance, ``1/2 expm1(2 (l' - l)) E||sigma s + z||^2`` at its
    end l' (Kingma et al. 2021, arXiv:2107.00630, eq. 13 and 14, ``SNR = rho^-2``). Against
    ``(l' - l) E||sigma s + z||^2`` it has the factor ``expm1(2 (l' - l)) / (2 (l' - l))``, which
    tends to one: a sum over steps is an integral whose time is rounded up.

    Raises ValueError where ``count`` is below one or the variable is unknown.
    """

    count: int
    variable: str = "log_rho"

    def __post_init__(self):
        if self.count < 1:
            raise ValueError(f"vlb_steps = {self.count} must be at least 1")
        if self.variable not in GRIDS:
            raise ValueError(
                f"variable = {self.variable!r} is unknown; choose one of {sorted(GRIDS)}"
            )

    def __call__(self, process: SDE, eps: float, log_rho: Scalar) -> tuple[Scalar, Scalar]:
        edges = GRIDS[self.variable](process, eps, self.count)
        k = jnp.searchsorted(edges, log_rho, side="left").clip(1, self.count)
        width = edges[k] - edges[k - 1]
        return edges[k], jnp.expm1(2 * width) / (2 * width)
