"""A scalar network whose gradient is the score, so that the model has an explicit density."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models.parametrizations import NetworkFn, Preconditioned, ScoreFn, Time
from gradlog.sde_lib import SDE

LogDensityFn = Callable[[Float[Array, "*D"], Time], Float[Array, ""]]


def potential(network_fn: NetworkFn, u: Float[Array, "*D"], t: Time) -> Float[Array, ""]:
    """Return ``N(u, t) = <u, F> - ||F||^2 / 2``, that is ``||u||^2 / 2 - ||u - F||^2 / 2``.

    This is the scalar head of Salimans & Ho 2021 ("Should EBMs model the energy or the score?"). It
    fits every network whose output has the shape of its input. Its gradient ``F + F'^T (u - F)`` is
    F if F is constant. Near F = 0 it is linear in F, so a last layer of zeros still learns.
    """
    output = network_fn(u, t)
    return jnp.vdot(u, output) - 0.5 * jnp.sum(output**2)


SCALES = ("data", "noise")


@dataclass(frozen=True)
class Energy:
    """The score is ``grad_x log q`` of an unnormalized density q, preconditioned as in EDM.

    ``log q(x, t) = -||y||^2 / (2 total^2) + c N(y / total, t)`` in nats, with ``y = x/alpha``,
    ``rho = sigma/alpha`` and ``total^2 = rho^2 + sigma_data^2``: a Gaussian with the standard
    deviation of the data, and a correction. `energy_scale` selects c:

    noise: ``sigma_data / rho``. ``grad_u N`` replaces the output of `Preconditioned`; the
    coefficients are the integrals of EDM's (Karras et al. 2022, table 1). At small noise the output
    is of order one for data near a manifold, such as images.
    data: ``sigma_data / total``. N is of order one at every noise for a distribution with a smooth
    density, and has a limit as the noise vanishes. So levels of small noise, whose targets are
    noisy, learn from each other.

    A score needs a forward and a backward pass of the network. The activations should be smooth:
    with relu the score has jumps, and a trace by derivatives (ISM, SSM) does not see them.

    Raises:
      ValueError: `energy_scale` is unknown.
    """

    sigma_data: float = 0.5
    energy_scale: str = "noise"

    def __post_init__(self) -> None:
        if self.energy_scale not in SCALES:
            raise ValueError(
                f"energy_scale = {self.energy_scale!r} is unknown; choose one of {list(SCALES)}"
            )

    def __call__(self, process: SDE, network_fn: NetworkFn) -> ScoreFn:
        potential_slope = jax.grad(partial(potential, network_fn))

        def slope(u, t):
            rho, total = self._levels(process, t)
            return self._coefficient(rho, total) * rho / self.sigma_data * potential_slope(u, t)

        return Preconditioned(self.sigma_data)(process, slope)

    def log_density(self, process: SDE, network_fn: NetworkFn) -> LogDensityFn:
        """Return ``log q(x, t)`` in nats, up to a constant for each t."""

        def log_density(x, t):
            rho, total = self._levels(process, t)
            u = x / (process.alpha(t) * total)
            tilt = self._coefficient(rho, total) * potential(network_fn, u, t)
            return tilt - 0.5 * jnp.sum(u**2)

        return log_density

    def _levels(self, process: SDE, t: Time) -> tuple[Float[Array, ""], Float[Array, ""]]:
        rho = jnp.exp(process.log_rho(t))
        return rho, jnp.sqrt(rho**2 + self.sigma_data**2)

    def _coefficient(self, rho: Float[Array, ""], total: Float[Array, ""]) -> Float[Array, ""]:
        return self.sigma_data / (rho if self.energy_scale == "noise" else total)
