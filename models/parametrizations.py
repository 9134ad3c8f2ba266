"""Parametrizations, which turn the output of a network into the score.

With ``x = alpha x0 + sigma z`` the score is ``-E[z | x] / sigma``. Every parametrization obtains
the noise ``E[z | x]``, or the score itself, from the output ``F``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models.dequantizers import Centers
from gradlog.sde_lib import SDE, Process, derivative, linear_moments

Time = Float[Array, ""] | float
ScoreFn = Callable[[Float[Array, "*D"], Time], Float[Array, "*D"]]
# The network with parameters, dropout key and noise label bound: (input, t) -> F.
NetworkFn = Callable[[Float[Array, "*D"], Time], Float[Array, "*D"]]


class Parametrization(Protocol):
    """A call turns a network function into a score function of one example."""

    def __call__(self, process: SDE, network_fn: NetworkFn) -> ScoreFn: ...


@dataclass(frozen=True)
class Score:
    """``s = F`` (Song & Ermon 2019; VE in Song et al. 2021, whose network divides by sigma)."""

    def __call__(self, process: SDE, network_fn: NetworkFn) -> ScoreFn:
        del process
        return network_fn


@dataclass(frozen=True)
class Logits:
    """``F`` are the logits of the clean token at each position, for a discrete process."""

    def __call__(self, process: Process, network_fn: NetworkFn) -> ScoreFn:
        del process
        return network_fn


@dataclass(frozen=True)
class Noise:
    """``F`` predicts z: ``s = -F / sigma`` (Ho et al. 2020, arXiv:2006.11239, eq. 11)."""

    def __call__(self, process: SDE, network_fn: NetworkFn) -> ScoreFn:
        return lambda x, t: -network_fn(x, t) / process.sigma(t)


@dataclass(frozen=True)
class Preconditioned:
    """EDM's preconditioned prediction of x0 (Karras et al. 2022, arXiv:2206.00364, table 1).

    ``D(y; rho) = c_skip y + c_out F(c_in y)`` with ``y = x/alpha``, ``rho = sigma/alpha`` and ``s =
    (alpha D - x) / sigma^2``. The noise ``(y - D) / rho`` is computed without the subtraction,
    which would cancel at small rho. ``sigma_data`` is the standard deviation of the data.
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
class LevelLogits:
    """``F`` are logits over the levels of each entry, from what the other entries tell.

    With the centers c of the levels, ``y = x/alpha`` and ``rho = sigma/alpha``, the law of an entry
    is ``p(v | x) = softmax_v(F_v + log N(y; c_v, rho^2))``, and the denoised entry its mean. What
    the entry tells of itself is in closed form. So the mean is right within one level as soon as
    the noise is narrow, whatever the network. The network sees ``y / sqrt(rho^2 + sigma_data^2)``,
    as EDM's. The noise ``E[y - c_v | x] / rho`` is a mean of differences, which does not cancel at
    small rho.

    The data must be the centers of levels (`Centers`).
    """

    levels: int
    centered: bool = True
    sigma_data: float = 0.5

    def __call__(self, process: SDE, network_fn: NetworkFn) -> ScoreFn:
        centers, _ = Centers(self.levels, self.centered)(jax.random.key(0), jnp.arange(self.levels))

        def score(x, t):
            y, rho = x / process.alpha(t), jnp.exp(process.log_rho(t))
            distances = (y[..., None] - centers) / rho[..., None]
            logits = network_fn(y / jnp.sqrt(rho**2 + self.sigma_data**2), t)
            law = jax.nn.softmax(logits - 0.5 * distances**2)
            return -jnp.sum(law * distances, axis=-1) / process.sigma(t)

        return score


@dataclass(frozen=True)
class Datum:
    """``F`` corrects the linear estimate of the datum of a `ConditionalPath`.

    ``x_hat = sigma_data (alpha sigma_data x / c + sigma F(x / c)) / c`` with ``c^2 = alpha^2
    sigma_data^2 + sigma^2``, as in EDM (`Preconditioned`). alpha and sigma are those of the path
    before training; for Gaussian data of this standard deviation F = 0 is then exact.
    """

    sigma_data: float = 0.5

    def __call__(self, process: Process, network_fn: NetworkFn) -> ScoreFn:
        del process

        def datum(x, t):
            alpha, sigma = linear_moments(t)
            total = jnp.sqrt((alpha * self.sigma_data) ** 2 + sigma**2)
            output = network_fn(x / total, t)
            return self.sigma_data * (alpha * self.sigma_data * x / total + sigma * output) / total

        return datum


@dataclass(frozen=True)
class Velocity:
    """``F`` predicts the unit-speed velocity ``a x0 + b z``, ``(a, b)`` the tangent of the path.

    ``(a, b) = (alpha', sigma') / |(alpha', sigma')|``. For VP this is the v-prediction ``alpha z -
    sigma x0`` (Salimans & Ho 2022, arXiv:2202.00512). On the straight path it is flow matching's
    ``z - x0`` (Lipman et al. 2023) over the square root of 2.
    """

    def __call__(self, process: SDE, network_fn: NetworkFn) -> ScoreFn:
        def score(x, t):
            alpha, sigma = process.alpha(t), process.sigma(t)
            a, b = path_tangent(process, t)
            noise = (alpha * network_fn(x, t) - a * x) / (alpha * b - sigma * a)
            return -noise / sigma

        return score


def path_tangent(process: SDE, t: Time) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return the unit tangent of the curve ``(alpha, sigma)`` at t.

    The derivative is taken in log rho, where it stays finite at small t.
    """
    log_alpha_rate = derivative(process.log_alpha_of_log_rho, process.log_rho(t))
    a, b = process.alpha(t) * log_alpha_rate, process.sigma(t) * (1 + log_alpha_rate)
    length = jnp.sqrt(a**2 + b**2)
    return a / length, b / length
