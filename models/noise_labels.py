"""Noise labels: the number that tells a network the noise level at time t."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.sde_lib import SDE, Process

Time = Float[Array, ""] | float
NoiseLabel = Callable[[SDE, Time], Float[Array, ""]]


@dataclass(frozen=True)
class NoLabel:
    """Zero: with masks the noise level is seen in the data."""

    def __call__(self, process: Process, t: Time) -> Float[Array, ""]:
        del process, t
        return jnp.zeros(())


@dataclass(frozen=True)
class ScaledTime:
    """``999 t / t_max``: DDPM's step number, for sinusoidal embeddings (Song et al. 2021)."""

    def __call__(self, process: SDE, t: Time) -> Float[Array, ""]:
        return 999 * jnp.asarray(t) / process.t_max


@dataclass(frozen=True)
class NoiseLevel:
    """``sigma(t)``: the label of NCSN++ with Fourier embeddings (Song et al. 2021)."""

    def __call__(self, process: SDE, t: Time) -> Float[Array, ""]:
        return process.sigma(t)


@dataclass(frozen=True)
class QuarterLogRho:
    """``log(rho) / 4``: EDM's ``c_noise`` (Karras et al. 2022, table 1)."""

    def __call__(self, process: SDE, t: Time) -> Float[Array, ""]:
        return process.log_rho(t) / 4


@dataclass(frozen=True)
class NormalizedGamma:
    """``(gamma(t) - gamma_min) / (gamma_max - gamma_min)``, ``gamma = log sigma^2/alpha^2``.

    The label of VDM (Kingma et al. 2021, arXiv:2107.00630), in [0, 1] between the two ends. It
    equals t if gamma is linear in t between them.

    Raises:
      ValueError: gamma_min is not below gamma_max.
    """

    gamma_min: float = -13.3
    gamma_max: float = 5.0

    def __post_init__(self) -> None:
        if not self.gamma_min < self.gamma_max:
            raise ValueError(
                f"gamma_min = {self.gamma_min} must be below gamma_max = {self.gamma_max}"
            )

    def __call__(self, process: SDE, t: Time) -> Float[Array, ""]:
        return (2 * process.log_rho(t) - self.gamma_min) / (self.gamma_max - self.gamma_min)


@dataclass(frozen=True)
class LadderIndex:
    """The index of the nearest level, in log rho, of ``ladder(eps, num_scales)``, from 0 on.

    The label of NCSN (Song & Ermon 2019, arXiv:1907.05600), 0 for the largest noise. It suits a
    network that is trained at these levels only: between them it gives the score of the nearest
    level. It is constant between jumps, so its derivative in t is zero.

    Raises:
      ValueError: there are fewer than two levels.
    """

    num_scales: int
    eps: float

    def __post_init__(self) -> None:
        if self.num_scales < 2:
            raise ValueError(f"num_scales must be at least 2, got {self.num_scales}")

    def __call__(self, process: SDE, t: Time) -> Float[Array, ""]:
        first, last = process.log_rho(process.t_max), process.log_rho(self.eps)
        place = (first - process.log_rho(t)) / (first - last) * (self.num_scales - 1)
        return jax.lax.stop_gradient(jnp.clip(jnp.round(place), 0, self.num_scales - 1))


@dataclass(frozen=True)
class StepIndex:
    """``num_steps t / t_max - 1``: DDPM's index of a step from 0 on, at the nodes of its chain.

    Ho et al. 2020, arXiv:2006.11239. score_sde trains its discrete models with it. It samples with
    ``(num_steps - 1) t``: on its grid of times the two differ by up to one.
    """

    num_steps: int

    def __call__(self, process: SDE, t: Time) -> Float[Array, ""]:
        return self.num_steps * jnp.asarray(t) / process.t_max - 1
