"""A Gaussian over images whose covariance does not depend on the place, as natural images' nearly.

It is diagonal in space by Fourier and in color by an opponent transform, so that everything is in
closed form by fast transforms, while the Jacobian of its score is full: unlike a Gaussian with
independent pixels, it gives estimators of a trace something to err about.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gradlog.distributions.base import Oracle, Time
from gradlog.distributions.gaussian import gaussian_entropy
from gradlog.distributions.monte_carlo import Estimate
from gradlog.sde_lib.pytree import pytree

# Lightness, blue-yellow and red-green (Ruderman, Cronin & Chiao 1998).
_OPPONENT = np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]]) / np.sqrt([[3.0], [6.0], [2.0]])


@pytree
class StationaryGaussian(Oracle):
    """``N(mean, C)`` over images, C periodic and stationary: ``power`` are its eigenvalues.

    ``power[u, v, c]`` is the variance of the orthonormal Fourier coefficient (u, v) of the opponent
    color c; ``power[-u, -v]`` must equal it, as it does for every stationary law.
    """

    mean: Float[Array, "h w c"]
    power: Float[Array, "h w c"]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.power.shape

    def filtered(self, gain: Float[Array, "h w c"], x: Float[Array, "h w c"]):
        """``F* diag(gain) F x`` with F the orthonormal transform to coefficients."""
        return _from_opponent(_filter(gain, _to_opponent(x)))

    def sample(self, key: Array) -> Float[Array, "h w c"]:
        return self.mean + self.filtered(jnp.sqrt(self.power), jax.random.normal(key, self.shape))

    def spectrum(self, alpha: Time = 1.0, sigma: Time = 0.0) -> Float[Array, "h w c"]:
        """Eigenvalues of the covariance of ``alpha x0 + sigma z``."""
        return alpha**2 * self.power + sigma**2

    def log_density(
        self, x: Float[Array, "h w c"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, ""]:
        spectrum, deviation = self.spectrum(alpha, sigma), x - alpha * self.mean
        square = deviation * self.filtered(1 / spectrum, deviation)
        return -0.5 * jnp.sum(square + jnp.log(2 * math.pi * spectrum))

    def score(
        self, x: Float[Array, "h w c"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, "h w c"]:
        return self.filtered(-1 / self.spectrum(alpha, sigma), x - alpha * self.mean)

    def posterior_mean(
        self, x: Float[Array, "h w c"], alpha: Time, sigma: Time
    ) -> Float[Array, "h w c"]:
        gain = alpha * self.power / self.spectrum(alpha, sigma)
        return self.mean + self.filtered(gain, x - alpha * self.mean)

    def posterior_trace(
        self, x: Float[Array, "h w c"], alpha: Time, sigma: Time
    ) -> Float[Array, ""]:
        return jnp.sum(sigma**2 * self.power / self.spectrum(alpha, sigma))

    def entropy_draw(self, key: Array, alpha: Time = 1.0, sigma: Time = 0.0) -> Float[Array, ""]:
        """The entropy itself."""
        del key
        return gaussian_entropy(self.spectrum(alpha, sigma))

    def entropy(
        self, key: Array, alpha: Time = 1.0, sigma: Time = 0.0, *, samples: int = 4096
    ) -> Estimate:
        del samples
        return self.entropy_draw(key, alpha, sigma), jnp.zeros(())

    def flow_jacobian(self, log_rho: Time) -> Float[Array, "h w c"]:
        """Eigenvalues of the Jacobian of the probability flow ``dy/d(log rho)``, ``y = x/alpha``.

        It is ``rho^2 / (power + rho^2)`` wherever y is.
        """
        rho2 = jnp.exp(2 * jnp.asarray(log_rho))
        return rho2 / (self.power + rho2)

    def integrated_flow_jacobian(self, low: Time, high: Time) -> Float[Array, "h w c"]:
        """Eigenvalues of its integral between two values of log rho."""
        first, last = (self.power + jnp.exp(2 * jnp.asarray(end)) for end in (low, high))
        return 0.5 * jnp.log(last / first)

    def squared_off_diagonal(self, gain: Float[Array, "h w c"]) -> Float[Array, ""]:
        """``sum_{i != j} M_ij^2`` of the matrix M that ``filtered`` applies.

        All of it by Frobenius's norm, ``sum gain^2``, less the diagonal, which is the same for
        every pixel and differs between colors by the squares of the mixing matrix.
        """
        height, width, colors = self.shape
        diagonal = _mix(jnp.mean(gain, (0, 1)), _mixing(colors) ** 2)
        return jnp.sum(gain**2) - height * width * jnp.sum(diagonal**2)


def _mixing(colors: int) -> np.ndarray:
    return _OPPONENT if colors == 3 else np.eye(colors)


def _mix(x, matrix: np.ndarray):
    return jnp.matmul(x, jnp.asarray(matrix, x.dtype), precision="highest")


def _to_opponent(x):
    return _mix(x, _mixing(x.shape[-1]).T)


def _from_opponent(x):
    return _mix(x, _mixing(x.shape[-1]))


def _filter(gain, x):
    """Each color by its own periodic filter, whose gain is real and even."""
    coefficients = jnp.fft.rfft2(x, axes=(0, 1)) * gain[:, : x.shape[1] // 2 + 1]
    return jnp.fft.irfft2(coefficients, s=x.shape[:2], axes=(0, 1))
