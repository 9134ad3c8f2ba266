"""Chains of Langevin steps, each at its own noise level, in the coordinates of the data."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sampling.base import Sample, Scalar
from gradlog.sampling.denoising import posterior_mean
from gradlog.sde_lib import SDE, Process


def langevin_step(
    model: BoundModel, y: Float[Array, "*D"], t: Scalar, step: Scalar, z: Array
) -> Float[Array, "*D"]:
    """``y + a/2 alpha s(alpha y, t) + sqrt(a) z``: an Euler step of Langevin dynamics of size a.

    On ``y = x/alpha``, data plus noise of std ``rho = sigma/alpha``, whose score is ``alpha s``.
    """
    alpha = model.process.alpha(t)
    return y + 0.5 * step * alpha * model.score(alpha * y, t) + jnp.sqrt(step) * z


def published_steps(
    process: SDE, times: Float[Array, " n"], eps: float, step_size: float
) -> Float[Array, " n"]:
    """``a_i = step_size rho_i^2 / rho_eps^2`` (Song & Ermon 2019, arXiv:1907.05600, algorithm 1).

    For VE rho is their sigma. Near a datum of no width the chain multiplies distances by
    ``1 - step_size/(2 rho_eps^2)``: with a step_size of ``4 rho_eps^2`` or more it diverges.
    """
    log_rho = jax.vmap(process.log_rho)(times)
    return step_size * jnp.exp(2 * (log_rho - process.log_rho(eps)))


@dataclass(frozen=True)
class LangevinChain(ABC):
    """A sampler of a number of Langevin steps that is known beforehand.

    A member gives the schedule. A sample is the last state, at time eps; with ``denoise`` the
    posterior mean ``(x + sigma^2 s)/alpha`` there (Jolicoeur-Martineau et al. 2021,
    arXiv:2009.05475). A chain that diverges is not ok.
    """

    accepts: ClassVar[type[Process]] = SDE

    eps: float
    denoise: bool = True

    @property
    @abstractmethod
    def chain_length(self) -> int:
        """The number of steps."""

    @property
    def evaluations(self) -> int:
        return self.chain_length + int(self.denoise)

    @abstractmethod
    def schedule(self, process: SDE) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """The time and the size of each step."""

    def __call__(self, model: BoundModel, z: Float[Array, "*D"], key: jax.Array) -> Sample:
        times, steps = self.schedule(model.process)
        y, _ = _run(model, z, key, (times, steps), lambda y: None)
        t = jnp.asarray(self.eps)
        x = model.process.alpha(t) * y
        if self.denoise:
            x = posterior_mean(model, x, t)
        return Sample(x, jnp.asarray(self.evaluations), jnp.all(jnp.isfinite(x)))

    def path(
        self, model: BoundModel, z: Float[Array, "*D"], key: jax.Array, frames: int
    ) -> Float[Array, "frames *D"]:
        """``x/alpha`` from the start to the last state, evenly spaced in steps; for pictures."""
        process = model.process
        schedule = self.schedule(process)
        _, states = _run(model, z, key, schedule, lambda y: y)
        states = jnp.concatenate([(z / process.alpha(process.t_max))[None], states])
        return states[jnp.round(jnp.linspace(0, len(states) - 1, frames)).astype(int)]


def _run(
    model: BoundModel,
    z: Float[Array, "*D"],
    key: jax.Array,
    schedule: tuple[Float[Array, " n"], Float[Array, " n"]],
    record: Callable[[Array], Any],
) -> tuple[Float[Array, "*D"], Any]:
    """The last state of the chain that starts at z, and what ``record`` makes of every state."""

    def move(y, scanned):
        t, step, step_key = scanned
        y = langevin_step(model, y, t, step, jax.random.normal(step_key, y.shape))
        return y, record(y)

    keys = jax.random.split(key, len(schedule[0]))
    return jax.lax.scan(move, z / model.process.alpha(model.process.t_max), (*schedule, keys))
