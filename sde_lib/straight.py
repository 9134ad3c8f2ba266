"""The straight path of flow matching."""

import jax
import jax.numpy as jnp

from gradlog.sde_lib.base import SDE, Scalar, Time
from gradlog.sde_lib.pytree import pytree


@pytree
class Straight(SDE):
    """``alpha = 1 - t``, ``sigma = t`` (Lipman et al. 2023, arXiv:2210.02747; Liu et al. 2023).

    The path ends at ``t_max`` < 1, where x still has some signal: at t = 1 the drift is infinite.
    """

    t_max: float = 0.999  # pyright: ignore[reportIncompatibleMethodOverride]

    def log_alpha(self, t: Time) -> Scalar:
        return jnp.log1p(-jnp.asarray(t))

    def log_sigma(self, t: Time) -> Scalar:
        return jnp.log(t)

    def alpha(self, t: Time) -> Scalar:
        return 1 - jnp.asarray(t)

    def sigma(self, t: Time) -> Scalar:
        return jnp.asarray(t)

    def log_alpha_of_log_rho(self, log_rho: Time) -> Scalar:
        return -jax.nn.softplus(jnp.asarray(log_rho))

    def time_of_log_rho(self, log_rho: Time) -> Scalar:
        return jax.nn.sigmoid(jnp.asarray(log_rho))

    def drift_and_diffusion(self, t: Time) -> tuple[Scalar, Scalar]:
        t = jnp.asarray(t)
        return -1 / (1 - t), 2 * t / (1 - t)
