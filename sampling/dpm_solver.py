"""DPM-Solver++: multistep methods that integrate the linear part of the flow exactly.

With ``tau`` what log rho has fallen by since t, the flow of ``y = x/alpha`` is
``dy/d tau = D - y``, ``D = E[x0 | y]``, so that over a step h

    y' = exp(-h) y + int_0^h exp(-(h - tau)) D(tau) d tau,

with a polynomial through the last values in the place of D (Lu et al. 2022, arXiv:2211.01095).
"""

from dataclasses import dataclass

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sampling.base import Scalar
from gradlog.sampling.grid import GridSampler, predicted_datum

# Two values of log rho that no process has: through nodes so far away the polynomial is flat, and
# the first steps, that have no history, are of lower order.
_LONG_AGO = (1e30, 2e30)


@struct.dataclass
class History:
    """The last two values of D, the newest first, and log rho there."""

    datum: tuple[Float[Array, "*D"], Float[Array, "*D"]]
    log_rho: tuple[Scalar, Scalar]


class Multistep(GridSampler):
    """A step that remembers the values of D before it."""

    def memory(self, y: Float[Array, "*D"]) -> History:
        zero = jnp.zeros_like(y)
        first, second = (jnp.asarray(value, y.dtype) for value in _LONG_AGO)
        return History((zero, zero), (first, second))


def _with(history: History, datum: Float[Array, "*D"], log_rho: Scalar) -> History:
    return History((datum, history.datum[0]), (log_rho, history.log_rho[0]))


def _slope(history: History, datum: Float[Array, "*D"], log_rho: Scalar) -> Float[Array, "*D"]:
    """``dD/d tau`` between the last value and this one."""
    return (datum - history.datum[0]) / (history.log_rho[0] - log_rho)


@dataclass(frozen=True)
class DPMSolver2M(Multistep):
    """``exp(-h) y + (1 - exp(-h)) (D + h/2 D')``: of second order (their algorithm 2)."""

    def step(
        self,
        model: BoundModel,
        y: Float[Array, "*D"],
        memory: History,
        t: Scalar,
        t_next: Scalar,
        z: Float[Array, "*D"],
    ) -> tuple[Float[Array, "*D"], History]:
        del z
        log_rho = model.process.log_rho(t)
        h = log_rho - model.process.log_rho(t_next)
        datum = predicted_datum(model, y, t)
        middle = datum + 0.5 * h * _slope(memory, datum, log_rho)
        return jnp.exp(-h) * y - jnp.expm1(-h) * middle, _with(memory, datum, log_rho)


@dataclass(frozen=True)
class DPMSolverSDE(Multistep):
    """``exp(-2h) y + (1 - exp(-2h)) (D + h/2 D') + rho' sqrt(1 - exp(-2h)) z``.

    Their SDE-DPM-Solver++(2M): 2M for the reverse SDE. With D' left out it is the ancestral step
    with the posterior variance.
    """

    def step(
        self,
        model: BoundModel,
        y: Float[Array, "*D"],
        memory: History,
        t: Scalar,
        t_next: Scalar,
        z: Float[Array, "*D"],
    ) -> tuple[Float[Array, "*D"], History]:
        log_rho, log_rho_next = model.process.log_rho(t), model.process.log_rho(t_next)
        h = log_rho - log_rho_next
        datum = predicted_datum(model, y, t)
        middle = datum + 0.5 * h * _slope(memory, datum, log_rho)
        renewed = -jnp.expm1(-2 * h)
        y = jnp.exp(-2 * h) * y + renewed * middle
        return y + jnp.exp(log_rho_next) * jnp.sqrt(renewed) * z, _with(memory, datum, log_rho)


@dataclass(frozen=True)
class DPMSolver3M(Multistep):
    """The integral over the parabola through three values of D: of third order.

    With ``D(tau) = D + b tau + c tau^2`` it is ``exp(-h) y + p1 D + p2 b + p3 c``, ``p1 = 1 -
    exp(-h)``, ``p2 = h - p1``, ``p3 = h^2 - 2 p2``. The formula that is published in code, and
    found in diffusers, has ``p3/2``, a slip that leaves it of second order (c is half of D''):
    with ``published_third`` this is that one. The second step is of second order.
    """

    published_third: bool = False

    def step(
        self,
        model: BoundModel,
        y: Float[Array, "*D"],
        memory: History,
        t: Scalar,
        t_next: Scalar,
        z: Float[Array, "*D"],
    ) -> tuple[Float[Array, "*D"], History]:
        del z
        log_rho = model.process.log_rho(t)
        h = log_rho - model.process.log_rho(t_next)
        datum = predicted_datum(model, y, t)
        slope = _slope(memory, datum, log_rho)
        (last, older), (log_rho_last, log_rho_older) = memory.datum, memory.log_rho
        slope_before = (last - older) / (log_rho_older - log_rho_last)
        curvature = (slope - slope_before) / (log_rho_older - log_rho)
        slope_here = slope + curvature * (log_rho_last - log_rho)
        p1 = -jnp.expm1(-h)
        p2 = h - p1
        p3 = (h**2 - 2 * p2) * (0.5 if self.published_third else 1)
        y = jnp.exp(-h) * y + p1 * datum + p2 * slope_here + p3 * curvature
        return y, _with(memory, datum, log_rho)
