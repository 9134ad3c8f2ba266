"""Paths by their log-SNR, and the one whose log-SNR is linear in time."""

from abc import abstractmethod

import jax
import jax.numpy as jnp

from gradlog.sde_lib.base import SDE, GaussianPath, Level, Scalar, Time
from gradlog.sde_lib.pytree import pytree


@pytree
class OfGamma(GaussianPath):
    """``alpha^2 = sigmoid(-gamma)``, ``sigma^2 = sigmoid(gamma)`` for an increasing gamma(t)."""

    @abstractmethod
    def gamma(self, t: Time) -> Level:
        """Return minus the log-SNR, ``2 log rho``."""

    def log_alpha(self, t: Time) -> Level:
        return -0.5 * jax.nn.softplus(self.gamma(t))

    def log_sigma(self, t: Time) -> Level:
        return -0.5 * jax.nn.softplus(-self.gamma(t))

    def log_rho(self, t: Time) -> Level:
        return 0.5 * self.gamma(t)

    def log_alpha_of_log_rho(self, log_rho: Level | float) -> Level:
        return -0.5 * jax.nn.softplus(2 * jnp.asarray(log_rho))

    def drift_and_diffusion(self, t: Time) -> tuple[Level, Level]:
        g2 = 2 * self.log_rho_rate(t) * jax.nn.sigmoid(self.gamma(t))
        return -0.5 * g2, g2


@pytree
class LogSNR(OfGamma, SDE):
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
        t = jnp.asarray(t)
        return (1 - t) * self.gamma_min + t * self.gamma_max

    def time_of_log_rho(self, log_rho: Time) -> Scalar:
        return (2 * jnp.asarray(log_rho) - self.gamma_min) / (self.gamma_max - self.gamma_min)
