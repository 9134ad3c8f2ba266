"""What a network's output means: each parametrization turns it into the same score.

With ``x = alpha x0 + sigma z`` the score is ``-E[z | x] / sigma``; every parametrization here is a
way to read the noise ``E[z | x]``, or the score itself, off the output ``F``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.sde_lib import SDE

Time = Float[Array, ""] | float
ScoreFn = Callable[[Float[Array, "*D"], Time], Float[Array, "*D"]]
# The network with parameters, dropout key and noise label bound: (input, t) -> F.
NetworkFn = Callable[[Float[Array, "*D"], Time], Float[Array, "*D"]]


class Parametrization(Protocol):
    """Makes a score function of one example from a network function."""

    def __call__(self, process: SDE, network_fn: NetworkFn) -> ScoreFn: ...


@dataclass(frozen=True)
class Score:
    """``s = F`` (Song & Ermon 2019; VE in Song et al. 2021, whose network divides by sigma)."""

    def __call__(self, process: SDE, network_fn: NetworkFn) -> ScoreFn:
        del process
        return network_fn


@dataclass(frozen=True)
class Noise:
    """``F`` estimates z: ``s = -F / sigma`` (Ho et al. 2020, arXiv:2006.11239, eq. 11)."""

    def __call__(self, process: SDE, network_fn: NetworkFn) -> ScoreFn:
        return lambda x, t: -network_fn(x, t) / process.sigma(t)


@dataclass(frozen=True)
class Preconditioned:
    """EDM's preconditioned estimate of x0 (Karras et al. 2022, arXiv:2206.00364, table 1).

    ``D(y; rho) = c_skip y + c_out F(c_in y)`` with ``y = x/alpha``, ``rho = sigma/alpha`` and
    ``s = (alpha D - x) / sigma^2``. The noise ``(y - D) / rho`` is written without the subtraction,
    which would cancel at small rho. ``sigma_data`` is the data's standard deviation.
    """

    sigma_data: float = 0.5

    def __call__(self, process: SDE, network_fn: NetworkFn) -> ScoreFn:
        def score(x, t):
            y, rho = x / process.alpha(t), jnp.exp(process.log_rho(t))
            total = jnp.sqrt(rho**2 + self.sigma_data**2)
            output = network_fn(y / total, t)
            noise = (rho * y / total - self.sigma_data * output) / total
            return -noise / process.sigma(t)

        return score


@dataclass(frozen=True)
class Velocity:
    """``F`` estimates the unit-speed velocity ``a x0 + b z``, ``(a, b)`` the tangent of the path.

    ``(a, b) = (alpha', sigma') / |(alpha', sigma')|``. For VP this is the v-prediction
    ``alpha z - sigma x0`` (Salimans & Ho 2022, arXiv:2202.00512); on the straight path it is flow
    matching's ``z - x0`` (Lipman et al. 2023) over the square root of 2.
    """

    def __call__(self, process: SDE, network_fn: NetworkFn) -> ScoreFn:
        def score(x, t):
            alpha, sigma = process.alpha(t), process.sigma(t)
            a, b = path_tangent(process, t)
            noise = (alpha * network_fn(x, t) - a * x) / (alpha * b - sigma * a)
            return -noise / sigma

        return score


def path_tangent(process: SDE, t: Time) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Unit tangent of the curve ``(alpha, sigma)`` at t.

    Differentiated in log rho, where nothing is infinite at small t.
    """
    log_alpha_rate = jax.grad(process.log_alpha_of_log_rho)(process.log_rho(t))
    a, b = process.alpha(t) * log_alpha_rate, process.sigma(t) * (1 + log_alpha_rate)
    length = jnp.sqrt(a**2 + b**2)
    return a / length, b / length
