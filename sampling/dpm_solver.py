"""DPM-Solver++: multistep methods that integrate the linear part of the flow exactly.

Let ``tau`` be the decrease of log rho since t. The flow of ``y = x/alpha`` is ``dy/d tau = D - y``
with ``D = E[x0 | y]``, so over a step h

    y' = exp(-h) y + int_0^h exp(-(h - tau)) D(tau) d tau,

where a polynomial through the last values replaces D (Lu et al. 2022, arXiv:2211.01095).
"""

from dataclasses import dataclass

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sampling.base import Scalar
from gradlog.sampling.grid import GridSampler, predict_x0

# Values of log rho before the first step, far from those of every process. A polynomial through
# nodes so far away is flat, so the first steps, which have no history, are of lower order.
_NO_HISTORY = (1e30, 2e30)


@struct.dataclass
class History:
    """The last two values of D, the newest first, and their values of log rho."""

    datum: tuple[Float[Array, "*D"], Float[Array, "*D"]]
    log_rho: tuple[Scalar, Scalar]


class Multistep(GridSampler):
    """Base class of steps that use earlier values of D."""

    def memory(self, y: Float[Array, "*D"]) -> History:
        zero = jnp.zeros_like(y)
        first, second = (jnp.asarray(value, y.dtype) for value in _NO_HISTORY)
        return History((zero, zero), (first, second))


def _push(history: History, datum: Float[Array, "*D"], log_rho: Scalar) -> History:
    return History((datum, history.datum[0]), (log_rho, history.log_rho[0]))


def _slope(history: History, datum: Float[Array, "*D"], log_rho: Scalar) -> Float[Array, "*D"]:
    """Return ``dD/d tau`` between the last value and this one."""
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
        datum = predict_x0(model, y, t)
        middle = datum + 0.5 * h * _slope(memory, datum, log_rho)
        return jnp.exp(-h) * y - jnp.expm1(-h) * middle, _push(memory, datum, log_rho)


@dataclass(frozen=True)
class DPMSolverSDE(Multistep):
    """``exp(-2h) y + (1 - exp(-2h)) (D + h/2 D') + rho' sqrt(1 - exp(-2h)) z``.

    This is their SDE-DPM-Solver++(2M): 2M for the reverse SDE. Without the term in D' it is the
    ancestral step with the posterior variance.
    """

    @property
    def adds_noise(self) -> bool:
        return True

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
        datum = predict_x0(model, y, t)
        middle = datum + 0.5 * h * _slope(memory, datum, log_rho)
        renewed = -jnp.expm1(-2 * h)
        y = jnp.exp(-2 * h) * y + renewed * middle
        return y + jnp.exp(log_rho_next) * jnp.sqrt(renewed) * z, _push(memory, datum, log_rho)


@dataclass(frozen=True)
class DPMSolver3M(Multistep):
    """The integral over the parabola through three values of D: of third order.

    For ``D(tau) = D + b tau + c tau^2`` the step is ``exp(-h) y + p1 D + p2 b + p3 c`` with ``p1 =
    1 - exp(-h)``, ``p2 = h - p1``, ``p3 = h^2 - 2 p2``. The published code and diffusers have
    ``p3/2`` instead, an error that reduces the order to two (c is half of D''). ``published_third``
    selects their formula. The second step is of second order.
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
        datum = predict_x0(model, y, t)
        slope = _slope(memory, datum, log_rho)
        (last, older), (log_rho_last, log_rho_older) = memory.datum, memory.log_rho
        slope_before = (last - older) / (log_rho_older - log_rho_last)
        curvature = (slope - slope_before) / (log_rho_older - log_rho)
        slope_here = slope + curvature * (log_rho_last - log_rho)
        p1 = -jnp.expm1(-h)
        p2 = h - p1
        p3 = (h**2 - 2 * p2) * (0.5 if self.published_third else 1)
        y = jnp.exp(-h) * y + p1 * datum + p2 * slope_here + p3 * curvature
        return y, _push(memory, datum, log_rho)
