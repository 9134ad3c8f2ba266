"""How an image is brought to what Inception takes: resized, scaled.

FID differs between conventions; a figure is comparable with those of its own. score_sde and
score_flow have a third one, see docs/quality.md.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gradlog.evaluation.features.inception.network import SIZE


@dataclass(frozen=True)
class Convention:
    """Bilinear resizing without smoothing, and the scale.

    Attributes:
      half_pixel: pixels are squares whose centers are kept, else points at their corners.
      shift, scale: ``(x - shift) / scale`` of pixels from 0 to 255.
    """

    half_pixel: bool
    shift: float
    scale: float

    def __call__(self, x: Float[Array, "n h w 3"]) -> Float[Array, "n 299 299 3"]:
        x = _along(_along(x, 1, self.half_pixel), 2, self.half_pixel)
        return (x - self.shift) / self.scale


CONVENTIONS = {
    # What the frozen graph does itself, in TensorFlow 1: EDM, torch-fidelity.
    "tensorflow": Convention(half_pixel=False, shift=128.0, scale=128.0),
    # `2 x/255 - 1`, and PyTorch's `interpolate` with align_corners=False.
    "pytorch_fid": Convention(half_pixel=True, shift=127.5, scale=127.5),
}


def _along(x: Array, axis: int, half_pixel: bool) -> Array:
    """Linear interpolation to 299 places along an axis."""
    count = x.shape[axis]
    step = np.float32(count) / np.float32(SIZE)
    places = np.arange(SIZE, dtype=np.float32)
    at = np.maximum((places + 0.5) * step - 0.5, 0) if half_pixel else places * step
    low = np.floor(at).astype(int)
    weight = (at - low.astype(np.float32)).reshape([-1 if a == axis else 1 for a in range(4)])
    below = jnp.take(x, low, axis)
    above = jnp.take(x, np.minimum(low + 1, count - 1), axis)
    return below + (above - below) * weight
