"""Schedules: the times of a sampler's states, from t_max down to eps.

To add one, write a dataclass with ``__call__(process, eps, num_steps)`` and add it to the registry.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.sde_lib import SDE, GaussianPath, Process

Times = Float[Array, " num_steps+1"]


class Schedule(Protocol):
    """``num_steps + 1`` times that decrease from t_max to eps, of the processes it accepts."""

    accepts: ClassVar[type[Process]]

    def __call__(self, process: Any, eps: float, num_steps: int) -> Times: ...


@dataclass(frozen=True)
class UniformSchedule:
    """Times evenly spaced in t (Song et al. 2021, arXiv:2011.13456)."""

    accepts: ClassVar[type[Process]] = GaussianPath

    def __call__(self, process: GaussianPath, eps: float, num_steps: int) -> Times:
        return jnp.linspace(process.t_max, eps, num_steps + 1)


@dataclass(frozen=True)
class QuadraticSchedule:
    """Times evenly spaced in sqrt(t) (Song, Meng & Ermon 2021, arXiv:2010.02502, appendix D.3)."""

    accepts: ClassVar[type[Process]] = GaussianPath

    def __call__(self, process: GaussianPath, eps: float, num_steps: int) -> Times:
        return _fix_ends(
            process, eps, jnp.linspace(process.t_max**0.5, eps**0.5, num_steps + 1) ** 2
        )


@dataclass(frozen=True)
class KarrasSchedule:
    """Times even in ``rho^(1/k)``, k the exponent (Karras et al. 2022, arXiv:2206.00364, eq. 5)."""

    accepts: ClassVar[type[Process]] = SDE

    karras_exponent: float = 7.0

    def __call__(self, process: SDE, eps: float, num_steps: int) -> Times:
        high, low = (
            jnp.exp(process.log_rho(t) / self.karras_exponent) for t in (process.t_max, eps)
        )
        log_rho = self.karras_exponent * jnp.log(jnp.linspace(high, low, num_steps + 1))
        return _fix_ends(process, eps, jax.vmap(process.time_of_log_rho)(log_rho))


@dataclass(frozen=True)
class LogSNRSchedule:
    """Times even in log rho or log-SNR (Lu et al. 2022, arXiv:2206.00927, section 3.4)."""

    accepts: ClassVar[type[Process]] = SDE

    def __call__(self, process: SDE, eps: float, num_steps: int) -> Times:
        return _fix_ends(process, eps, process.ladder(eps, num_steps + 1))


def _fix_ends(process: GaussianPath, eps: float, times: Times) -> Times:
    """Set both ends exactly, without the rounding error of a function and its inverse."""
    return times.at[-1].set(eps).at[0].set(process.t_max)


UNIFORM = UniformSchedule()
TIME_SCHEDULES: dict[str, type] = {
    "karras": KarrasSchedule,
    "log_snr": LogSNRSchedule,
    "quadratic": QuadraticSchedule,
    "uniform": UniformSchedule,
}
