"""Samplers that go down a schedule of times, in the coordinates of the data.

In ``y = x/alpha`` every process is data plus noise of std ``rho = sigma/alpha``. The probability
flow is ``dy/d rho = eps_hat`` (Karras et al. 2022, arXiv:2206.00364, eq. 4). Here ``eps_hat =
-sigma s(alpha y, t)`` is the predicted noise, and ``y - rho eps_hat`` the predicted datum.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sampling.base import Sample, Scalar
from gradlog.sampling.flow_density import evaluate_node, flow_density, with_first_score
from gradlog.sampling.schedules import UNIFORM, Schedule
from gradlog.sampling.transitions import posterior_mean
from gradlog.sde_lib import SDE, Process

_LEAST_STEPS = 8  # with four nodes also where every other one is left out


def predict_noise(model: BoundModel, y: Float[Array, "*D"], t: Scalar) -> Float[Array, "*D"]:
    """Return ``-sigma s(alpha y, t)``, the mean of the noise in y."""
    return -model.process.sigma(t) * model.score(model.process.alpha(t) * y, t)


def predict_x0(model: BoundModel, y: Float[Array, "*D"], t: Scalar) -> Float[Array, "*D"]:
    """Return ``E[x0 | y] = y - rho eps_hat``."""
    return y - jnp.exp(model.process.log_rho(t)) * predict_noise(model, y, t)


@dataclass(frozen=True)
class GridSampler(ABC):
    """A sampler of ``num_steps`` steps from t_max to eps; a subclass defines the step.

    The sample is the last state, at time eps. With ``denoise`` it is the posterior mean there,
    which is a first-order step to no noise. With ``log_prob`` the sample has its density: this
    takes a product at each node, and one evaluation at the last.

    Raises:
      ValueError: ``log_prob`` is asked for with ``denoise``, with steps that add noise, or with
        fewer than eight steps.
    """

    PER_DIMENSION: ClassVar[bool] = False  # whether a step may have other levels in each dimension
    EVALUATIONS_PER_STEP: ClassVar[int] = 1

    num_steps: int
    eps: float
    denoise: bool = True
    schedule: Schedule = UNIFORM
    log_prob: bool = False

    def __post_init__(self) -> None:
        if self.log_prob:
            check_log_prob(self.denoise, self.num_steps)
            if self.adds_noise:
                raise ValueError("log_prob needs a sampler of the flow: this one adds noise")

    @property
    def accepts(self) -> type[Process]:
        return self.schedule.accepts if self.PER_DIMENSION and not self.log_prob else SDE

    @property
    def evaluations(self) -> int:
        return self.num_steps * self.EVALUATIONS_PER_STEP + int(self.denoise or self.log_prob)

    @property
    def adds_noise(self) -> bool:
        """True if a step uses its noise z; where it does not, z is zero."""
        return False

    def memory(self, y: Float[Array, "*D"]) -> Any:
        """Return the initial memory of a multistep method; one-step methods have none."""
        del y
        return ()

    @abstractmethod
    def step(
        self,
        model: BoundModel,
        y: Float[Array, "*D"],
        memory: Any,
        t: Scalar,
        t_next: Scalar,
        z: Float[Array, "*D"],
    ) -> tuple[Float[Array, "*D"], Any]:
        """Return ``x/alpha`` and the memory at ``t_next`` from those at t and the noise z.

        The first evaluation of a step without noise must be at y and t.
        """

    def __call__(self, model: BoundModel, z: Float[Array, "*D"], key: jax.Array) -> Sample:
        process = model.process
        times = self.schedule(process, self.eps, self.num_steps)

        def scan_step(state, scanned):
            t, t_next, step_key = scanned
            y, memory = state
            node, own = None, model
            if self.log_prob:
                node, score = evaluate_node(model, y, t, step_key)
                own = with_first_score(model, score)
            noise = jax.random.normal(step_key, z.shape) if self.adds_noise else jnp.zeros_like(z)
            return self.step(own, y, memory, t, t_next, noise), node

        y = z / process.alpha(times[0])
        keys = jax.random.split(key, self.num_steps + 1)
        (y, _), nodes = jax.lax.scan(
            scan_step, (y, self.memory(y)), (times[:-1], times[1:], keys[:-1])
        )
        x, density = y * process.alpha(times[-1]), None
        if self.log_prob:
            last, _ = evaluate_node(model, y, times[-1], keys[-1])
            joined = jax.tree.map(lambda some, one: jnp.append(some, one[None], 0), nodes, last)
            density = flow_density(model, z, joined)
        if self.denoise:
            x = posterior_mean(model, x, times[-1])
        return Sample(x, jnp.asarray(self.evaluations), jnp.all(jnp.isfinite(x)), density)


def check_log_prob(denoise: bool, num_steps: int) -> None:
    """Check the settings of a sampler that returns densities.

    Raises:
      ValueError: they do not allow it.
    """
    if denoise:
        raise ValueError(
            "log_prob needs denoise = False: the flow has a density at eps, not the mean there"
        )
    if num_steps < _LEAST_STEPS:
        raise ValueError(f"log_prob needs num_steps of {_LEAST_STEPS} or more, got {num_steps}")
