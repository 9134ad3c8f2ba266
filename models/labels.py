"""What a network is told about the noise level: maps from t to its label."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from sde_lib import SDE

Time = Float[Array, ""] | float
LabelFn = Callable[[SDE, Time], Float[Array, ""]]


def scaled_time(sde: SDE, t: Time) -> Float[Array, ""]:
    """``999 t / t_max``: DDPM's step number, for sinusoidal embeddings (Song et al. 2021)."""
    return 999 * jnp.asarray(t) / sde.t_max


def noise_level(sde: SDE, t: Time) -> Float[Array, ""]:
    """``sigma(t)``: the label of NCSN++ with Fourier embeddings (Song et al. 2021)."""
    return sde.sigma(t)


def quarter_log_rho(sde: SDE, t: Time) -> Float[Array, ""]:
    """``log(rho) / 4``: EDM's ``c_noise`` (Karras et al. 2022, table 1)."""
    return sde.log_rho(t) / 4
