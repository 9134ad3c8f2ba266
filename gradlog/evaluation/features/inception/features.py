"""The features that FID is made of."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from gradlog.data import Source
from gradlog.evaluation.devices import fetch_rows, map_batch, over_batches, padded_batches, place
from gradlog.evaluation.features.base import Progress, no_progress
from gradlog.evaluation.features.inception.convention import CONVENTIONS
from gradlog.evaluation.features.inception.network import FEATURES, Inception
from gradlog.evaluation.quality import QualityError
from gradlog.storage import digest_arrays


class InceptionFeatures:
    """What Inception's last pooling gives of images with levels, (n, 2048).

    Args (of the constructor):
      variables: of the network, as ``read_weights`` gives them.
      convention: how images are resized and scaled, a key of ``CONVENTIONS``.
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
        self._variables, self._batch_size = variables, batch_size
        self.settings = {"convention": convention, "weights": digest_arrays(variables)}
        scaled, network = CONVENTIONS[convention], Inception()

        def batch(variables, x):
            pixels = x.astype(jnp.float32) * (255 / (levels - 1))
            colors = jnp.broadcast_to(pixels, (*pixels.shape[:-1], 3))
            features: Any = network.apply(variables, scaled(colors))
            return features[FEATURES]

        self._batch = map_batch(batch)

    def __call__(
        self, source: Source, progress: Progress = no_progress
    ) -> Float[np.ndarray, "n k"]:
        """Features of every image of a source, in its order.

        Raises:
          QualityError: they are not images of one channel or three.
        """
        shape = source[np.arange(1)].shape[1:]
        if len(shape) != 3 or shape[-1] not in (1, 3):
            raise QualityError(f"Inception takes images of 1 or 3 channels, got shape {shape}")
        variables = place(self._variables)

        def compute(indices: Int[np.ndarray, " rows"], used: int) -> dict[str, Any]:
            return {"features": fetch_rows(self._batch(variables, source[indices]), used)}

        batches = padded_batches(len(source), self._batch_size)
        return over_batches(batches, compute, lambda done: progress(done, ""))["features"]
