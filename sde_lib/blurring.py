"""A process that blurs: the high frequencies of the data decay first."""

import math

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from gradlog.sde_lib.base import GaussianPath, Level, Scalar, Time
from gradlog.sde_lib.bases import Frequencies, squared_frequencies
from gradlog.sde_lib.log_snr import LogSNR
from gradlog.sde_lib.pytree import pytree


@pytree
class Blurring(GaussianPath):
    """Heat dissipation with noise, frequency by frequency of the cosine transform.

    Hoogeboom & Salimans 2022, arXiv:2209.05557, section 3 and appendix A; without the factor a it
    is the path of Rissanen et al. 2022, arXiv:2206.13397: ``alpha = a(t) d(t)`` with ``d = (1 -
    d_min) exp(-lambda tau(t)) + d_min``, where lambda is the square of the frequency and ``tau =
    (blur_max sin^2(pi t/2))^2 / 2``. Sigma is the same for all frequencies. It is that of the
    cosine schedule, as is a: gamma, minus the log of ``a^2/sigma^2``, is ``2 log tan`` of an angle
    that is linear in t.

    Attributes:
      shape: that of the data.
      gamma_min: gamma at t = 0.
      gamma_max: gamma at t = 1.
      blur_max: width of the blur at t = 1, in pixels.
      blur_floor: d_min, the smallest factor of a frequency.

    Raises:
      ValueError: gamma_min is not below gamma_max.
    """

    shape: tuple[int, ...] = struct.field(pytree_node=False)
    gamma_min: float = -13.3
    gamma_max: float = 5.0
    blur_max: float = 20.0
    blur_floor: float = 1e-3

    def __post_init__(self) -> None:
        LogSNR(self.gamma_min, self.gamma_max)

    @property
    def basis(self) -> Frequencies:
        return Frequencies()

    def gamma(self, t: Time) -> Scalar:
        """Return minus the log-SNR of the frequency zero."""
        low, high = (jnp.arctan(jnp.exp(0.5 * end)) for end in (self.gamma_min, self.gamma_max))
        return 2 * jnp.log(jnp.tan(low + jnp.asarray(t) * (high - low)))

    def log_scale(self, t: Time) -> Float[Array, "*D"]:
        """Return the log of the factor d(t) of each frequency."""
        tau = 0.5 * (self.blur_max * jnp.sin(0.5 * math.pi * jnp.asarray(t)) ** 2) ** 2
        log_decay = jnp.log1p(-self.blur_floor) - squared_frequencies(self.shape) * tau
        return jnp.logaddexp(log_decay, jnp.log(self.blur_floor))

    def log_alpha(self, t: Time) -> Level:
        return self.log_scale(t) - 0.5 * jax.nn.softplus(self.gamma(t))

    def log_sigma(self, t: Time) -> Level:
        return jnp.full(self.shape, -0.5 * jax.nn.softplus(-self.gamma(t)))
