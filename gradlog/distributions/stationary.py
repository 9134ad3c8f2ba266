"""A stationary Gaussian over images, and one with the spectrum of natural images.

Its covariance does not depend on the place, as is nearly true of natural images. A Fourier
transform in space and an opponent transform of colors make it diagonal, so everything is in closed
form by fast transforms. But the Jacobian of its score is a full matrix: unlike a Gaussian with
independent pixels, it shows the error of trace estimators.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gradlog.distributions.distribution import Distribution, Estimate, Time
from gradlog.distributions.gaussian import gaussian_entropy
from gradlog.sde_lib.pytree import pytree

# Lightness, blue-yellow and red-green (Ruderman, Cronin & Chiao 1998) ...
_OPPONENT = np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]]) / np.sqrt([[3.0], [6.0], [2.0]])
# ... and their shares of the variance: natural images differ mostly in lightness.
_COLOR_SHARES = np.array([0.9, 0.07, 0.03])


@pytree
class StationaryGaussian(Distribution):
    """``N(mean, C)`` over images, where C is periodic and stationary with eigenvalues ``power``.

    ``power[u, v, c]`` is the variance of the orthonormal Fourier coefficient (u, v) of the opponent
    color c; ``power[-u, -v]`` must equal it, as it does for every stationary distribution.
    """

    mean: Float[Array, "h w c"]
    power: Float[Array, "h w c"]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.power.shape

    def apply_filter(self, gain: Float[Array, "h w c"], x: Float[Array, "h w c"]):
        """Return ``F* diag(gain) F x`` with F the orthonormal transform to coefficients."""
        mixing = _mixing(x.shape[-1])
        coefficients = jnp.fft.rfft2(_mix(x, mixing.T), axes=(0, 1))
        # Each color has its own periodic filter. Its gain is real and even: half of it suffices.
        filtered = coefficients * gain[:, : x.shape[1] // 2 + 1]
        return _mix(jnp.fft.irfft2(filtered, s=x.shape[:2], axes=(0, 1)), mixing)

    def sample(self, key: Array) -> Float[Array, "h w c"]:
        return self.mean + self.apply_filter(
            jnp.sqrt(self.power), jax.random.normal(key, self.shape)
        )

    def spectrum(self, alpha: Time = 1.0, sigma: Time = 0.0) -> Float[Array, "h w c"]:
        """Return the eigenvalues of the covariance of ``alpha x0 + sigma z``."""
        return alpha**2 * self.power + sigma**2

    def log_density(
        self, x: Float[Array, "h w c"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, ""]:
        spectrum, deviation = self.spectrum(alpha, sigma), x - alpha * self.mean
        square = deviation * self.apply_filter(1 / spectrum, deviation)
        return -0.5 * jnp.sum(square + jnp.log(2 * math.pi * spectrum))

    def score(
        self, x: Float[Array, "h w c"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, "h w c"]:
        return self.apply_filter(-1 / self.spectrum(alpha, sigma), x - alpha * self.mean)

    def posterior_mean(
        self, x: Float[Array, "h w c"], alpha: Time, sigma: Time
    ) -> Float[Array, "h w c"]:
        gain = alpha * self.power / self.spectrum(alpha, sigma)
        return self.mean + self.apply_filter(gain, x - alpha * self.mean)

    def posterior_trace(
        self, x: Float[Array, "h w c"], alpha: Time, sigma: Time
    ) -> Float[Array, ""]:
        return jnp.sum(sigma**2 * self.power / self.spectrum(alpha, sigma))

    def entropy_draw(self, key: Array, alpha: Time = 1.0, sigma: Time = 0.0) -> Float[Array, ""]:
        """Return the exact entropy."""
        del key
        return gaussian_entropy(self.spectrum(alpha, sigma))

    def entropy(
        self, key: Array, alpha: Time = 1.0, sigma: Time = 0.0, *, samples: int = 4096
    ) -> Estimate:
        del samples
        return self.entropy_draw(key, alpha, sigma), jnp.zeros(())

    def flow_jacobian(self, log_rho: Time) -> Float[Array, "h w c"]:
        """Return the eigenvalues of the Jacobian of the probability flow ``dy/d(log rho)``.

        With ``y = x/alpha`` they are ``rho^2 / (power + rho^2)`` for every y.
        """
        rho2 = jnp.exp(2 * jnp.asarray(log_rho))
        return rho2 / (self.power + rho2)

    def integrated_flow_jacobian(self, low: Time, high: Time) -> Float[Array, "h w c"]:
        """Return the eigenvalues of the integral of that Jacobian between two values of log rho."""
        first, last = (self.power + jnp.exp(2 * jnp.asarray(end)) for end in (low, high))
        return 0.5 * jnp.log(last / first)

    def squared_off_diagonal(self, gain: Float[Array, "h w c"]) -> Float[Array, ""]:
        """Return ``sum_{i != j} M_ij^2`` of the matrix M that ``apply_filter`` applies.

        It is the squared Frobenius norm, ``sum gain^2``, minus the squared diagonal, which is
        the same for every pixel. Its colors mix by the squares of the mixing matrix.
        """
        height, width, colors = self.shape
        diagonal = _mix(jnp.mean(gain, (0, 1)), _mixing(colors) ** 2)
        return jnp.sum(gain**2) - height * width * jnp.sum(diagonal**2)


def _mixing(colors: int) -> np.ndarray:
    """Return the matrix whose rows are the opponent colors."""
    return _OPPONENT if colors == 3 else np.eye(colors)


def _mix(x, matrix: np.ndarray):
    return jnp.matmul(x, jnp.asarray(matrix, x.dtype), precision="highest")


def natural_images(
    shape: tuple[int, int, int], std: float = 0.5, slope: float = 1.0, floor: float = 1e-3
) -> StationaryGaussian:
    """Return images of zero mean whose amplitude falls as ``frequency^-slope`` (Field 1987).

    Args:
      shape: height, width, 1 or 3 colors.
      std: root mean square of a pixel's standard deviation over the colors.
      slope: slope of the amplitude, about 1 for natural images; the power falls twice as fast.
      floor: share of the variance that is white noise; it bounds the smallest eigenvalue.

    Raises:
      ValueError: the number of colors is neither 1 nor 3.
    """
    height, width, colors = shape
    if colors not in (1, 3):
        raise ValueError(f"shape = {shape}: colors must be 1 or 3, got {colors}")
    u, v = np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij")
    frequency = np.hypot(u, v)
    frequency[0, 0] = 1 / max(height, width)  # the mean of an image counts as the longest wave
    power = frequency[..., None] ** (-2 * slope) * (_COLOR_SHARES if colors == 3 else np.ones(1))
    power = (1 - floor) * power / power.mean() + floor
    return StationaryGaussian(jnp.zeros(shape), jnp.asarray(std**2 * power, float))
