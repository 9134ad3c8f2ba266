"""Heun's method with churn."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sampling.base import Scalar
from gradlog.sampling.grid import GridSampler, predict_noise
from gradlog.sde_lib import SDE, Process


@dataclass(frozen=True)
class Heun(GridSampler):
    """Add noise, then follow the flow in rho by a step of second order.

    Karras et al. 2022, arXiv:2206.00364, algorithm 2, for any process in ``y = x/alpha``. Their
    last step, to no noise, is ``denoise``. The noise increases from rho to ``(1 + gamma) rho`` with
    ``gamma = min(churn/num_steps, sqrt(2) - 1)`` where ``churn_min <= rho <= churn_max``, but never
    above that of t_max. Without churn the sampler follows the flow alone. Their schedule is
    ``karras``.

    Attributes:
      churn: their S_churn.
      churn_min: their S_tmin.
      churn_max: their S_tmax; 0 for no limit.
      churn_noise: their S_noise, the std of the added noise.
    """

    PER_DIMENSION: ClassVar[bool] = True
    EVALUATIONS_PER_STEP: ClassVar[int] = 2

    churn: float = 0.0
    churn_min: float = 0.0
    churn_max: float = 0.0
    churn_noise: float = 1.0

    @property
    def accepts(self) -> type[Process]:
        """One noise level for all dimensions, if churn goes up by a share of it."""
        return SDE if self.churn else super().accepts

    @property
    def adds_noise(self) -> bool:
        return self.churn > 0

    def step(
        self,
        model: BoundModel,
        y: Float[Array, "*D"],
        memory: Any,
        t: Scalar,
        t_next: Scalar,
        z: Float[Array, "*D"],
    ) -> tuple[Float[Array, "*D"], Any]:
        process = model.process
        if self.churn:
            y, t = self._add_churn(process, y, t, z)
        width = jnp.exp(process.log_rho(t_next)) - jnp.exp(process.log_rho(t))
        slope = predict_noise(model, y, t)
        slope_next = predict_noise(model, y + width * slope, t_next)
        return y + width * 0.5 * (slope + slope_next), memory

    def _add_churn(
        self, process: SDE, y: Float[Array, "*D"], t: Scalar, z: Float[Array, "*D"]
    ) -> tuple[Float[Array, "*D"], Scalar]:
        """Return y with more noise, and the time of its new noise level."""
        log_rho = process.log_rho(t)
        highest = math.log(self.churn_max) if self.churn_max else math.inf
        lowest = math.log(self.churn_min) if self.churn_min else -math.inf
        gamma = min(self.churn / self.num_steps, math.sqrt(2) - 1)
        rise = jnp.where((log_rho >= lowest) & (log_rho <= highest), math.log1p(gamma), 0.0)
        rise = jnp.minimum(rise, process.log_rho(process.t_max) - log_rho)
        added = jnp.exp(log_rho) * jnp.sqrt(jnp.expm1(2 * rise)) * self.churn_noise
        return y + added * z, jnp.where(rise > 0, process.time_of_log_rho(log_rho + rise), t)
