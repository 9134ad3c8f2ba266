"""Weightings ``lambda(t)`` of score matching over time, divided by ``sigma^2``.

``J(lambda) = 1/2 int lambda(t) E||s - grad log p_t||^2 dt``. The integrands contain the factor
``sigma^2`` already, so a weighting returns ``lambda / sigma^2``: a number of order one with the
unit 1/time.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.losses.times import Tabulated, TimeProposal, UniformLogRho, UniformTime
from gradlog.sde_lib import SDE

Time = Float[Array, ""] | float


class Weighting(Protocol):
    """``lambda(t) / sigma(t)^2``, and the proposal of t that is proportional to it."""

    def __call__(self, process: SDE, t: Time) -> Float[Array, ""]: ...

    def importance_proposal(self) -> TimeProposal:
        """Return the proposal with density proportional to ``lambda / sigma^2``."""
        ...


@dataclass(frozen=True)
class Sigma2:
    """``lambda = sigma^2`` (Song & Ermon 2019; DDPM's simple loss)."""

    def __call__(self, process: SDE, t: Time) -> Float[Array, ""]:
        del process
        return jnp.ones_like(jnp.asarray(t, float))

    def importance_proposal(self) -> TimeProposal:
        return UniformTime()


@dataclass(frozen=True)
class Unweighted:
    """``lambda = 1``: the Fisher divergence at each time, dominated by the smallest noise."""

    def __call__(self, process: SDE, t: Time) -> Float[Array, ""]:
        return 1 / process.sigma(t) ** 2

    def importance_proposal(self) -> TimeProposal:
        return Tabulated(self)


@dataclass(frozen=True)
class Likelihood:
    """``lambda = g^2``, the likelihood weighting (Song, Durkan, Murray, Ermon 2021).

    arXiv:2101.09258, theorem 1: ``KL(p || p_sde) <= J(g^2) + KL(p_T || prior)``. For every affine
    path ``g^2 / sigma^2 = 2 d(log rho)/dt``.
    """

    def __call__(self, process: SDE, t: Time) -> Float[Array, ""]:
        return 2 * process.log_rho_rate(t)

    def importance_proposal(self) -> TimeProposal:
        return UniformLogRho()


@dataclass(frozen=True)
class LogNormal:
    """EDM's weighting of noise levels (Karras et al. 2022, arXiv:2206.00364, table 1).

    ``log rho ~ N(mean, std^2)``. Each level is weighted so that the target of the preconditioned
    network has unit variance. For the loss on the noise this is ``lambda / sigma^2 dt = 2 (rho^2 +
    sigma_data^2)/sigma_data^2 N(log rho) d(log rho)``.
    """

    log_rho_mean: float = -1.2
    log_rho_std: float = 1.2
    sigma_data: float = 0.5

    def __call__(self, process: SDE, t: Time) -> Float[Array, ""]:
        log_rho = process.log_rho(t)
        density = jnp.exp(-0.5 * ((log_rho - self.log_rho_mean) / self.log_rho_std) ** 2)
        density = density / (self.log_rho_std * math.sqrt(2 * math.pi))
        scale = (jnp.exp(2 * log_rho) + self.sigma_data**2) / self.sigma_data**2
        return 2 * scale * density * process.log_rho_rate(t)

    def importance_proposal(self) -> TimeProposal:
        return Tabulated(self)
