"""Denoising diffusion implicit models."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sampling.base import Scalar
from gradlog.sampling.grid import GridSampler, predicted_noise
from gradlog.sampling.transition import shrinkage


@dataclass(frozen=True)
class DDIM(GridSampler):
    """``x0_hat + sqrt(rho'^2 - s^2) eps_hat + s z``, ``s = eta rho' sqrt(1 - rho'^2/rho^2)``.

    Song, Meng & Ermon 2021, arXiv:2010.02502, eq. 12 and 16, in ``y = x/alpha``. With ``eta`` zero
    it is Euler's step of the flow in rho, of first order; with one the ancestral step with the
    posterior variance.

    Raises:
      ValueError: eta lies outside [0, 1].
    """

    eta: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta = {self.eta} must lie in [0, 1]")

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
        rho, rho_next = jnp.exp(process.log_rho(t)), jnp.exp(process.log_rho(t_next))
        added2 = self.eta**2 * shrinkage(process, t, t_next)
        kept, added = rho_next * jnp.sqrt(1 - added2), rho_next * jnp.sqrt(added2)
        # x0_hat = y - rho eps_hat; the two terms in eps_hat together, lest they cancel.
        return y + (kept - rho) * predicted_noise(model, y, t) + added * z, memory
