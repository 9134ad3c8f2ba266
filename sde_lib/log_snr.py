"""A path whose log-SNR is linear in time."""

import jax
import jax.numpy as jnp

from gradlog.sde_lib.base import SDE, Scalar, Time
from gradlog.sde_lib.pytree import pytree


@pytree
class LogSNR(SDE):
    """``alpha^2 = sigmoid(-gamma)``, ``sigma^2 = sigmoid(gamma)`` (Kingma et al. 2021).

    The path of arXiv:2107.00630, section 3.1, with the fixed schedule ``gamma(t) = gamma_min + t
    (gamma_max - gamma_min)``. Gamma is minus the log-SNR, so ``log rho = gamma/2``. At t = 0 the
    path has the noise of gamma_min. The prior ``N(0, I)`` approximates x at gamma_max.

    Raises:
      ValueError: gamma_min is not below gamma_max.
    """

    gamma_min: float = -13.3
    gamma_max: float = 5.0

    def __post_init__(self) -> None:
        ends = (self.gamma_min, self.gamma_max)
        # A traced end has no value that could be checked.
        if all(isinstance(end, int | float) for end in ends) and ends[0] >= ends[1]:
            raise ValueError(f"gamma_min = {ends[0]} must be below gamma_max = {ends[1]}")

    def gamma(self, t: Time) -> Scalar:
        """Return minus the log-SNR, ``2 log rho``."""
        t = jnp.asarray(t)
        return (1 - t) * self.gamma_min + t * self.gamma_max

    def log_alpha(self, t: Time) -> Scalar:
        return -0.5 * jax.nn.softplus(self.gamma(t))

    def log_sigma(self, t: Time) -> Scalar:
        return -0.5 * jax.nn.softplus(-self.gamma(t))

    def log_rho(self, t: Time) -> Scalar:
        return 0.5 * self.gamma(t)

    def log_alpha_of_log_rho(self, log_rho: Time) -> Scalar:
        return -0.5 * jax.nn.softplus(2 * jnp.asarray(log_rho))

    def time_of_log_rho(self, log_rho: Time) -> Scalar:
        return (2 * jnp.asarray(log_rho) - self.gamma_min) / (self.gamma_max - self.gamma_min)

    def drift_and_diffusion(self, t: Time) -> tuple[Scalar, Scalar]:
        g2 = (self.gamma_max - self.gamma_min) * jax.nn.sigmoid(self.gamma(t))
        return -0.5 * g2, g2
