"""What a classifier of noisy data says of a data set at one level of noise."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Num

from gradlog.data import LabeledSource, Source
from gradlog.evaluation.devices import (
    fetch_rows,
    keys_by_index,
    map_batch,
    over_batches,
    padded_batches,
    place,
)
from gradlog.likelihood import Dequantization
from gradlog.models import NoisyClassifier
from gradlog.sde_lib import SDE


class NoisyClasses:
    """Log probabilities and features of every example of a source, noised to a time or not."""

    def __init__(
        self,
        classifier: NoisyClassifier,
        sde: SDE,
        dequantization: Dequantization,
        batch_size: int,
        *,
        noised: bool,
    ):
        self._batch_size = batch_size

        def one(params, t, x, key):
            data_key, noise_key = jax.random.split(key)
            x0, _ = dequantization(data_key, x)
            z = jax.random.normal(noise_key, x0.shape)
            x = sde.perturb(x0, t, z) if noised else sde.alpha(t) * x0
            return {
                "log_probs": classifier.log_probs(sde, params, x, t),
                "features": classifier.features(sde, params, x, t),
            }

        def batch(shared, rows):
            (params, t), (x, key_data) = shared, rows
            keys = jax.random.wrap_key_data(key_data)
            return jax.vmap(one, (None, None, 0, 0))(params, t, x, keys)

        self._batch = map_batch(batch)

    def __call__(
        self, params: Any, source: Source | Num[np.ndarray, "n *D"], t: float, stream: jax.Array
    ) -> tuple[Float[np.ndarray, "n classes"], Float[np.ndarray, "n features"]]:
        """``log p(c | x_t)`` in nats, and features; example i draws from ``fold_in(stream, i)``."""
        shared = place((params, jnp.asarray(t)))

        def ask(indices: Int[np.ndarray, " rows"], used: int) -> dict[str, Any]:
            keys = np.asarray(jax.random.key_data(keys_by_index(stream, indices)))
            return fetch_rows(self._batch(shared, (source[indices], keys)), used)

        found = over_batches(padded_batches(len(source), self._batch_size), ask)
        return found["log_probs"], found["features"]

    def scores(
        self, params: Any, test: LabeledSource, t: float, stream: jax.Array
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Of each example whether its likeliest class is its own, and that one's log probability.

        The first is one or zero, the second in nats.
        """
        log_probs, _ = self(params, test.source, t, stream)
        right = (log_probs.argmax(axis=1) == test.labels).astype(float)
        return right, log_probs[np.arange(len(test)), test.labels]
