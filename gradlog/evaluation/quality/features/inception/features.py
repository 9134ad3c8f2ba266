"""The features that FID compares: resized images through Inception.

FID differs between conventions of resizing and scaling; a number is comparable with those of its
own convention. score_sde and score_flow have a third one, see docs/quality.md.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gradlog.data import Source
from gradlog.evaluation.devices import BatchProgram, Progress
from gradlog.evaluation.quality.feature_sets import QualityError
from gradlog.evaluation.quality.features.base import no_progress
from gradlog.evaluation.quality.features.inception.network import FEATURES, SIZE, Inception
from gradlog.storage import digest_arrays


@dataclass(frozen=True)
class Convention:
    """Bilinear resizing without smoothing, and the scale.

    Attributes:
      half_pixel: pixels are squares whose centers stay in place; else points whose corners do.
      shift, scale: ``(x - shift) / scale`` of pixels from 0 to 255.
    """

    half_pixel: bool
    shift: float
    scale: float

    def __call__(self, x: Float[Array, "n h w 3"]) -> Float[Array, "n 299 299 3"]:
        x = _interpolate(_interpolate(x, 1, self.half_pixel), 2, self.half_pixel)
        return (x - self.shift) / self.scale


CONVENTIONS = {
    # The frozen graph itself, in TensorFlow 1: EDM, torch-fidelity.
    "tensorflow": Convention(half_pixel=False, shift=128.0, scale=128.0),
    # `2 x/255 - 1`, and PyTorch's `interpolate` with align_corners=False.
    "pytorch_fid": Convention(half_pixel=True, shift=127.5, scale=127.5),
}


def _interpolate(x: Array, axis: int, half_pixel: bool) -> Array:
    """Return linear interpolations to 299 places along an axis."""
    count = x.shape[axis]
    step = np.float32(count) / np.float32(SIZE)
    places = np.arange(SIZE, dtype=np.float32)
    at = np.maximum((places + 0.5) * step - 0.5, 0) if half_pixel else places * step
    low = np.floor(at).astype(int)
    weight = (at - low.astype(np.float32)).reshape([-1 if a == axis else 1 for a in range(4)])
    below = jnp.take(x, low, axis)
    above = jnp.take(x, np.minimum(low + 1, count - 1), axis)
    return below + (above - below) * weight


class InceptionFeatures:
    """The last pooling of Inception for images with levels, (n, 2048).

    Args (of the constructor):
      variables: of the network, as `read_weights` returns them.
      convention: how images are resized and scaled, a key of `CONVENTIONS`.
      levels: of the images: 0 .. levels - 1 is spread over 0 .. 255; one channel becomes three.
      batch_size: images at once, over all local devices.

    Raises:
      QualityError: the convention is unknown, or images are continuous.
    """

    costly = True

    def __init__(
        self, variables: dict[str, Any], convention: str, levels: int | None, batch_size: int
    ):
        if convention not in CONVENTIONS:
            raise QualityError(
                f"config.quality.convention = {convention!r} is unknown; choose one of "
                f"{sorted(CONVENTIONS)}"
            )
        if levels is None:
            raise QualityError(
                "config.quality.features = 'inception' needs images with levels, and these data "
                "are continuous; take 'pixels' or 'classifier'"
            )
        self._variables = variables
        self.settings = {"convention": convention, "weights": digest_arrays(variables)}
        scaled, network = CONVENTIONS[convention], Inception()

        def batch(variables, x):
            pixels = x.astype(jnp.float32) * (255 / (levels - 1))
            colors = jnp.broadcast_to(pixels, (*pixels.shape[:-1], 3))
            features: Any = network.apply(variables, scaled(colors))
            return {"features": features[FEATURES]}

        self._program = BatchProgram(batch, batch_size)

    def __call__(
        self, source: Source, progress: Progress = no_progress
    ) -> Float[np.ndarray, "n k"]:
        """Return the features of every image of a source, in its order.

        Raises:
          QualityError: they are not images of one channel or three.
        """
        shape = source[np.arange(1)].shape[1:]
        if len(shape) != 3 or shape[-1] not in (1, 3):
            raise QualityError(f"Inception takes images of 1 or 3 channels, got shape {shape}")
        rows = source.__getitem__
        return self._program(self._variables, rows, len(source), progress)["features"]
