"""Heun's method with churn."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sampling.base import Scalar
from gradlog.sampling.grid import GridSampler, predicted_noise
from gradlog.sde_lib import SDE


@dataclass(frozen=True)
class Heun(GridSampler):
    """Noise is added, then the flow in rho is followed by a step of second order.

    Karras et al. 2022, arXiv:2206.00364, algorithm 2, on any process in ``y = x/alpha``; its last
    step, to no noise, is ``denoise``. Noise goes from rho to ``(1 + gamma) rho``, ``gamma =
    min(churn/num_steps, sqrt(2) - 1)``, but never above that of t_max, where ``churn_min <= rho <=
    churn_max``. Without churn it is the flow alone. Their schedule is ``karras``.

    Attributes:
      churn: their S_churn.
      churn_min: their S_tmin.
      churn_max: their S_tmax; 0 for no limit.
      churn_noise: their S_noise, the std of what is added.
    """

    EVALUATIONS_PER_STEP: ClassVar[int] = 2

    churn: float = 0.0
    churn_min: float = 0.0
    churn_max: float = 0.0
    churn_noise: float = 1.0

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
            y, t = self._churned(process, y, t, z)
        width = jnp.exp(process.log_rho(t_next)) - jnp.exp(process.log_rho(t))
        slope = predicted_noise(model, y, t)
        slope_next = predicted_noise(model, y + width * slope, t_next)
        return y + width * 0.5 * (slope + slope_next), memory

    def _churned(
        self, process: SDE, y: Float[Array, "*D"], t: Scalar, z: Float[Array, "*D"]
    ) -> tuple[Float[Array, "*D"], Scalar]:
        """y with more noise, and the time that has as much."""
        log_rho = process.log_rho(t)
        highest = math.log(self.churn_max) if self.churn_max else math.inf
        lowest = math.log(self.churn_min) if self.churn_min else -math.inf
        gamma = min(self.churn / self.num_steps, math.sqrt(2) - 1)
        rise = jnp.where((log_rho >= lowest) & (log_rho <= highest), math.log1p(gamma), 0.0)
        rise = jnp.minimum(rise, process.log_rho(process.t_max) - log_rho)
        added = jnp.exp(log_rho) * jnp.sqrt(jnp.expm1(2 * rise)) * self.churn_noise
        return y + added * z, jnp.where(rise > 0, process.time_of_log_rho(log_rho + rise), t)
