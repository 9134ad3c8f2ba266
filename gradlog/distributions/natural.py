"""The spectrum of natural images."""

import jax.numpy as jnp
import numpy as np

from gradlog.distributions.stationary import StationaryGaussian

# Of lightness, blue-yellow and red-green in the variance: colors of natural images differ mostly
# in lightness.
_SHARES = np.array([0.9, 0.07, 0.03])


def natural_images(
    shape: tuple[int, int, int], std: float = 0.5, slope: float = 1.0, floor: float = 1e-3
) -> StationaryGaussian:
    """Images of zero mean whose amplitude falls as ``frequency^-slope`` (Field 1987; about 1).

    Args:
      shape: height, width, 1 or 3 colors.
      std: root mean square of a pixel's standard deviation over the colors.
      slope: of the amplitude; the power falls twice as fast.
      floor: share of the variance that is white, spread evenly; it keeps the law from being thin.

    Raises:
      ValueError: there are neither 1 nor 3 colors.
    """
    height, width, colors = shape
    if colors not in (1, 3):
        raise ValueError(f"shape = {shape}: colors must be 1 or 3, got {colors}")
    u, v = np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij")
    frequency = np.hypot(u, v)
    frequency[0, 0] = 1 / max(height, width)  # the mean of an image: as the longest wave
    power = frequency[..., None] ** (-2 * slope) * (_SHARES if colors == 3 else np.ones(1))
    power = (1 - floor) * power / power.mean() + floor
    return StationaryGaussian(jnp.zeros(shape), jnp.asarray(std**2 * power, float))
