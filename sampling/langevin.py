"""Langevin dynamics: chains of steps at one noise level, or annealed over many levels."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sampling.base import Sample, Scalar
from gradlog.sampling.transitions import posterior_mean
from gradlog.sde_lib import SDE


def langevin_step(
    model: BoundModel, y: Float[Array, "*D"], t: Scalar, step: Scalar, z: Array
) -> Float[Array, "*D"]:
    """Return ``y + a/2 alpha s(alpha y, t) + sqrt(a) z``: an Euler step of size a.

    The state ``y = x/alpha`` is data plus noise of std ``rho = sigma/alpha``; its score is ``alpha
    s``.
    """
    alpha = model.process.alpha(t)
    return y + 0.5 * step * alpha * model.score(alpha * y, t) + jnp.sqrt(step) * z


# ``(model, z, key) -> y``: where a chain begins, in ``y = x/alpha``, for a prior sample z.
Start = Callable[[BoundModel, Float[Array, "*D"], jax.Array], Float[Array, "*D"]]


@dataclass(frozen=True)
class FromPrior:
    """Start at the sample of the prior itself."""

    def __call__(self, model: BoundModel, z: Float[Array, "*D"], key: jax.Array) -> Array:
        del key
        return z / model.process.alpha(model.process.t_max)


@dataclass(frozen=True)
class FromUniform:
    """Start evenly in a cube around the origin, as Song & Ermon 2019 do (arXiv:1907.05600).

    Attributes:
      start_extent: half the side of the cube, in the model's space.
    """

    start_extent: float = 1.0

    def __call__(self, model: BoundModel, z: Float[Array, "*D"], key: jax.Array) -> Array:
        del model
        return self.start_extent * jax.random.uniform(key, z.shape, minval=-1.0)


@dataclass(frozen=True)
class FromData:
    """Start at a training example, as persistent chains of energies do.

    Attributes:
      draw: returns one training example in the model's space.
    """

    draw: Callable[[jax.Array], Float[Array, "*D"]]

    def __call__(self, model: BoundModel, z: Float[Array, "*D"], key: jax.Array) -> Array:
        del model, z
        return self.draw(key)


STARTS: dict[str, type] = {"data": FromData, "prior": FromPrior, "uniform": FromUniform}


@dataclass(frozen=True)
class LangevinChain(ABC):
    """A sampler with a fixed number of Langevin steps, which begins at ``start``.

    A subclass defines the schedule. The sample is the last state, at time eps. With ``denoise`` it
    is the posterior mean ``(x + sigma^2 s)/alpha`` there (Jolicoeur-Martineau et al. 2021,
    arXiv:2009.05475). A chain that diverges is not ``ok``.
    """

    accepts = SDE

    eps: float
    denoise: bool = True
    start: Start = field(default_factory=FromPrior, kw_only=True)

    @property
    @abstractmethod
    def chain_length(self) -> int:
        """The number of steps."""

    @property
    def evaluations(self) -> int:
        return self.chain_length + int(self.denoise)

    @abstractmethod
    def schedule(self, process: SDE) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """Return the time and the size of each step."""

    def __call__(self, model: BoundModel, z: Float[Array, "*D"], key: jax.Array) -> Sample:
        times, steps = self.schedule(model.process)
        start = self.start(model, z, jax.random.fold_in(key, 1))
        y, _ = _run(model, start, key, (times, steps), lambda y: None)
        t = jnp.asarray(self.eps)
        x = model.process.alpha(t) * y
        if self.denoise:
            x = posterior_mean(model, x, t)
        return Sample(x, jnp.asarray(self.evaluations), jnp.all(jnp.isfinite(x)))

    def path(
        self, model: BoundModel, z: Float[Array, "*D"], key: jax.Array, frames: int
    ) -> Float[Array, "frames *D"]:
        """Return ``x/alpha`` from the first to the last state, evenly spaced in steps."""
        start = self.start(model, z, jax.random.fold_in(key, 1))
        _, states = _run(model, start, key, self.schedule(model.process), lambda y: y)
        states = jnp.concatenate([start[None], states])
        return states[jnp.round(jnp.linspace(0, len(states) - 1, frames)).astype(int)]


def _run(
    model: BoundModel,
    start: Float[Array, "*D"],
    key: jax.Array,
    schedule: tuple[Float[Array, " n"], Float[Array, " n"]],
    record: Callable[[Array], Any],
) -> tuple[Float[Array, "*D"], Any]:
    """Return the last state of the chain from a start, and ``record`` of every state."""

    def scan_step(y, scanned):
        t, step, step_key = scanned
        y = langevin_step(model, y, t, step, jax.random.normal(step_key, y.shape))
        return y, record(y)

    keys = jax.random.split(key, len(schedule[0]))
    return jax.lax.scan(scan_step, start, (*schedule, keys))


@dataclass(frozen=True)
class LangevinDynamics(LangevinChain):
    """``x + a/2 s(x, eps) + sqrt(a) z``, unadjusted, at the level eps alone; ``a = step_size``.

    Song & Ermon 2019, arXiv:1907.05600, eq. 4, in ``x/alpha``. Where modes are far apart, the score
    does not contain their weights: each mode gets the chains that start nearest to it.

    The distribution of the chain differs from p_eps: for a Gaussian of variance v its variance is
    ``v/(1 - a/(4v))``.
    """

    step_size: float = 2e-5
    langevin_steps: int = 1000

    @property
    def chain_length(self) -> int:
        return self.langevin_steps

    def schedule(self, process: SDE) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        del process
        shape = (self.langevin_steps,)
        return jnp.full(shape, self.eps), jnp.full(shape, self.step_size)


@dataclass(frozen=True)
class AnnealedLangevin(LangevinChain):
    """Langevin steps at each level of a geometric ladder, from the largest noise to eps.

    Song & Ermon 2019, arXiv:1907.05600, algorithm 1: ``x + a_i/2 s(x, sigma_i) + sqrt(a_i) z`` with
    ``a_i = step_size sigma_i^2 / sigma_L^2``, ``steps_per_level`` times at each level. If the
    process shrinks the data, rho and ``x/alpha`` replace sigma and x. The sizes depend on the level
    alone, so a sample does not depend on its batch mates.

    Use the ``num_scales`` and eps with which the model was trained, if it was trained on a ladder.

    Raises:
      ValueError: there are fewer than two levels.
    """

    num_scales: int = 10
    step_size: float = 2e-5
    steps_per_level: int = 100

    def __post_init__(self) -> None:
        if self.num_scales < 2:
            raise ValueError(f"num_scales must be at least 2, got {self.num_scales}")

    @property
    def chain_length(self) -> int:
        return self.num_scales * self.steps_per_level

    def schedule(self, process: SDE) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        levels = process.ladder(self.eps, self.num_scales)
        steps = annealed_step_sizes(process, levels, self.eps, self.step_size)
        return jnp.repeat(levels, self.steps_per_level), jnp.repeat(steps, self.steps_per_level)


def annealed_step_sizes(
    process: SDE, times: Float[Array, " n"], eps: float, step_size: float
) -> Float[Array, " n"]:
    """Return ``a_i = step_size rho_i^2 / rho_eps^2`` (Song & Ermon 2019, algorithm 1).

    arXiv:1907.05600; for VE rho is their sigma. For data without width a step multiplies distances
    by ``1 - step_size/(2 rho_eps^2)``: the chain diverges for a step_size of ``4 rho_eps^2`` or
    more.
    """
    log_rho = jax.vmap(process.log_rho)(times)
    return step_size * jnp.exp(2 * (log_rho - process.log_rho(eps)))
