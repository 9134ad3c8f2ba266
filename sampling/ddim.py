"""Denoising diffusion implicit models."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sampling.base import Scalar
from gradlog.sampling.grid import GridSampler, predict_noise
from gradlog.sampling.transitions import added_noise_fraction


@dataclass(frozen=True)
class DDIM(GridSampler):
    """``x0_hat + sqrt(rho'^2 - s^2) eps_hat + s z``, ``s = eta rho' sqrt(1 - rho'^2/rho^2)``.

    Song, Meng & Ermon 2021, arXiv:2010.02502, eq. 12 and 16, in ``y = x/alpha``. With ``eta`` zero
    it is Euler's step of the flow in rho, of first order. With ``eta`` one it is the ancestral step
    with the posterior variance.

    >>> import jax, jax.numpy as jnp
    >>> from gradlog.distributions import Gaussian
    >>> from gradlog.models import BoundModel
    >>> from gradlog.sde_lib import VP
    >>> process, data = VP(), Gaussian(mean=jnp.full(2, 3.0), std=jnp.full(2, 0.1))
    >>> model = BoundModel(process, data.score_fn(process))
    >>> z = process.prior_sample(jax.random.key(0), (2,))
    >>> sample = DDIM(num_steps=20, eps=1e-3)(model, z, jax.random.key(1))
    >>> bool(abs(sample.x - 3.0).max() < 0.5), int(sample.nfe)
    (True, 21)

    Raises:
      ValueError: eta lies outside [0, 1].
    """

    PER_DIMENSION: ClassVar[bool] = True

    eta: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta = {self.eta} must lie in [0, 1]")
        super().__post_init__()

    @property
    def adds_noise(self) -> bool:
        return self.eta > 0

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
        fraction = self.eta**2 * added_noise_fraction(process, t, t_next)
        old, new = rho_next * jnp.sqrt(1 - fraction), rho_next * jnp.sqrt(fraction)
        # x0_hat = y - rho eps_hat. Joining the two terms in eps_hat avoids cancellation.
        return y + (old - rho) * predict_noise(model, y, t) + new * z, memory
