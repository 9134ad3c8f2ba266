"""The probability-flow ODE in two coordinates.

Every affine path has one ODE in log rho (`rho = sigma/alpha`, `y = x/alpha`):
``dy/d(log rho) = rho eps_hat(alpha y, t(rho))`` with ``eps_hat = -sigma s`` (Zheng et al. 2023,
arXiv:2305.03935; Karras et al. 2022, arXiv:2206.00364, eq. 4), and the usual one in t:
``dx/dt = f(t) x - g(t)^2 s(x, t) / 2`` (Song et al. 2021, eq. 13).

A flow defines the state and the coordinate as functions of x and t, and the change of volume from
x to the state. Sampling and likelihood need nothing else.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sde_lib import SDE, GaussianPath, Process

Scalar = Float[Array, ""]


class Flow(Protocol):
    """Coordinates in which the probability flow is integrated, and the processes that have them."""

    accepts: ClassVar[type[Process]]

    def coordinate(self, process: Any, t) -> Scalar:
        """Return the coordinate at time t."""
        ...

    def state(self, process: Any, x, t) -> Float[Array, "*D"]:
        """Return the state for x at time t."""
        ...

    def data(self, process: Any, state, t) -> Float[Array, "*D"]:
        """Return x for a state at time t: the inverse of ``state``."""
        ...

    def log_volume(self, process: Any, t) -> Scalar:
        """Return the log of the change of length per dimension from the state to x at time t."""
        ...

    def velocity(self, model: BoundModel, coordinate, state) -> Float[Array, "*D"]:
        """Return the derivative of the state along the coordinate."""
        ...


@dataclass(frozen=True)
class LogRhoFlow:
    """Coordinate log rho, state ``x/alpha``."""

    accepts: ClassVar[type[Process]] = SDE

    def coordinate(self, process: SDE, t) -> Scalar:
        return process.log_rho(t)

    def state(self, process: SDE, x, t) -> Float[Array, "*D"]:
        return x * jnp.exp(-process.log_alpha(t))

    def data(self, process: SDE, state, t) -> Float[Array, "*D"]:
        return state * process.alpha(t)

    def log_volume(self, process: SDE, t) -> Scalar:
        return process.log_alpha(t)

    def velocity(self, model: BoundModel, coordinate, state) -> Float[Array, "*D"]:
        log_alpha = model.process.log_alpha_of_log_rho(coordinate)
        rho, alpha = jnp.exp(coordinate), jnp.exp(log_alpha)
        score = model.score(alpha * state, model.process.time_of_log_rho(coordinate))
        return -(rho**2) * alpha * score


@dataclass(frozen=True)
class TimeFlow:
    """Coordinate t, state x."""

    accepts: ClassVar[type[Process]] = GaussianPath

    def coordinate(self, process: GaussianPath, t) -> Scalar:
        del process
        return jnp.asarray(t, float)

    def state(self, process: GaussianPath, x, t) -> Float[Array, "*D"]:
        del process, t
        return x

    def data(self, process: GaussianPath, state, t) -> Float[Array, "*D"]:
        del process, t
        return state

    def log_volume(self, process: GaussianPath, t) -> Scalar:
        del process
        return jnp.zeros_like(jnp.asarray(t, float))

    def velocity(self, model: BoundModel, coordinate, state) -> Float[Array, "*D"]:
        f, g2 = model.process.drift_and_diffusion(coordinate)
        return f * state - 0.5 * g2 * model.score(state, coordinate)
