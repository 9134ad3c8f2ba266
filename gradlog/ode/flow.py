"""The probability-flow ODE in two coordinates.

Every affine path has one ODE in log rho (`rho = sigma/alpha`, `y = x/alpha`):
``dy/d(log rho) = rho eps_hat(alpha y, t(rho))`` with ``eps_hat = -sigma s`` (Zheng et al. 2023,
arXiv:2305.03935; Karras et al. 2022, arXiv:2206.00364, eq. 4), and the usual one in t:
``dx/dt = f(t) x - g(t)^2 s(x, t) / 2`` (Song et al. 2021, eq. 13).

A flow says how a state and a coordinate are made from x and t, and by how much changing from x to
the state stretches volume, so that sampling and likelihood need to know nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.sde_lib import SDE

Scalar = Float[Array, ""]
ScoreFn = Callable[[Any, Any], Any]


class Flow(Protocol):
    """Coordinates in which the probability flow is integrated."""

    def coordinate(self, sde: SDE, t) -> Scalar:
        """The coordinate at time t."""
        ...

    def state(self, sde: SDE, x, t) -> Float[Array, "*D"]:
        """The state that stands for x at time t."""
        ...

    def data(self, sde: SDE, state, t) -> Float[Array, "*D"]:
        """Inverse of ``state``."""
        ...

    def log_volume(self, sde: SDE, t) -> Scalar:
        """Logarithm of the change of length per dimension from the state to x at time t."""
        ...

    def velocity(self, sde: SDE, score_fn: ScoreFn, coordinate, state) -> Float[Array, "*D"]:
        """Derivative of the state along the coordinate."""
        ...


@dataclass(frozen=True)
class LogRhoFlow:
    """Coordinate log rho, state ``x/alpha``."""

    def coordinate(self, sde: SDE, t) -> Scalar:
        return sde.log_rho(t)

    def state(self, sde: SDE, x, t) -> Float[Array, "*D"]:
        return x * jnp.exp(-sde.log_alpha(t))

    def data(self, sde: SDE, state, t) -> Float[Array, "*D"]:
        return state * sde.alpha(t)

    def log_volume(self, sde: SDE, t) -> Scalar:
        return sde.log_alpha(t)

    def velocity(self, sde: SDE, score_fn: ScoreFn, coordinate, state) -> Float[Array, "*D"]:
        log_alpha = sde.log_alpha_of_log_rho(coordinate)
        rho, alpha = jnp.exp(coordinate), jnp.exp(log_alpha)
        score = score_fn(alpha * state, sde.time_of_log_rho(coordinate))
        return -(rho**2) * alpha * score


@dataclass(frozen=True)
class TimeFlow:
    """Coordinate t, state x."""

    def coordinate(self, sde: SDE, t) -> Scalar:
        del sde
        return jnp.asarray(t, float)

    def state(self, sde: SDE, x, t) -> Float[Array, "*D"]:
        del sde, t
        return x

    def data(self, sde: SDE, state, t) -> Float[Array, "*D"]:
        del sde, t
        return state

    def log_volume(self, sde: SDE, t) -> Scalar:
        del sde
        return jnp.zeros_like(jnp.asarray(t, float))

    def velocity(self, sde: SDE, score_fn: ScoreFn, coordinate, state) -> Float[Array, "*D"]:
        f, g2 = sde.drift_and_diffusion(coordinate)
        return f * state - 0.5 * g2 * score_fn(state, coordinate)
