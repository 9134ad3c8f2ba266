"""A grid over one dimension and over the levels of noise, which suits every affine process."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gradlog.sde_lib import SDE


@dataclass(frozen=True)
class Line:
    """A grid over ``u = x / S(t)`` with ``S^2 = alpha^2 scale^2 + sigma^2``, and over log rho.

    In u a law of std ``scale`` has unit variance at every noise level, for every process.

    Attributes:
      scale: standard deviation of the data, or about that.
      half_width: the grid reaches from minus this to this, in units of S.
      cells: equal intervals of u; twice as many divide the error by four.
      steps: equal intervals of log rho; likewise.
    """

    scale: float = 1.0
    half_width: float = 6.0
    cells: int = 600
    steps: int = 300

    def __post_init__(self) -> None:
        if not (self.scale > 0 and self.half_width > 0 and self.cells >= 2 and self.steps >= 1):
            raise ValueError(f"{self}: all must be positive, and cells at least 2")

    @property
    def width(self) -> float:
        """Of a cell, in u."""
        return 2 * self.half_width / self.cells

    @property
    def faces(self) -> Float[np.ndarray, " cells-1"]:
        """The points between two cells."""
        return self.width * np.arange(1, self.cells) - self.half_width

    @property
    def centers(self) -> Float[np.ndarray, " cells"]:
        """The middles of the cells."""
        return self.width * (np.arange(self.cells) + 0.5) - self.half_width

    def levels(self, sde: SDE, eps: float) -> Float[Array, " steps+1"]:
        """log rho from t_max down to eps."""
        return jnp.linspace(sde.log_rho(sde.t_max), sde.log_rho(eps), self.steps + 1)

    def middles(self, sde: SDE, eps: float) -> Float[Array, " steps"]:
        """The middles of the steps, where the score is asked for."""
        levels = self.levels(sde, eps)
        return 0.5 * (levels[:-1] + levels[1:])

    def spread(self, sde: SDE, log_rho: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """S at levels of log rho: ``x = S u``."""
        alpha = jnp.exp(sde.log_alpha_of_log_rho(log_rho))
        return alpha * jnp.sqrt(self.scale**2 + jnp.exp(2 * log_rho))

    def log_prior(self, sde: SDE) -> Float[np.ndarray, " cells"]:
        """Log density of the SDE's prior at the centers, per unit of u."""
        std = float(sde.prior_std / self.spread(sde, sde.log_rho(sde.t_max)))
        return -0.5 * (self.centers / std) ** 2 - np.log(std) - 0.5 * np.log(2 * np.pi)
