"""The training loss on data that is not trained on."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from data import Source, split_label
from evaluation.devices import keys_by_index, map_batch, padded_batches, place
from likelihood import Dequantisation
from losses import ScoreMatchingLoss, stratified


class HeldOutLoss:
    """Mean loss of the first ``count`` examples, with the same times and noises at every call."""

    def __init__(
        self,
        loss: ScoreMatchingLoss,
        dequantisation: Dequantisation,
        source: Source,
        stream: jax.Array,
        *,
        count: int,
        batch_size: int,
    ):
        self._count = min(count, len(source))
        self._inputs = [
            (self._rows(source, stream, indices), used)
            for indices, used in padded_batches(self._count, batch_size)
        ]

        def one(params, row, key, position):
            x, label = split_label(row)
            told = {} if label is None else {"condition": label}
            data_key, time_key, loss_key = jax.random.split(key, 3)
            x0, _ = dequantisation(data_key, x)
            u = stratified(position, self._count, time_key)
            return loss(params, x0, u, loss_key, train=False, **told)

        def batch(params, inputs):
            x, key_data, positions = inputs
            keys = jax.random.wrap_key_data(key_data)
            return jax.vmap(one, (None, 0, 0, 0))(params, x, keys, positions)

        self._batch = map_batch(batch)

    def __call__(self, params: Any) -> float:
        """Nats per dimension."""
        params = place(params)
        losses = [np.asarray(self._batch(params, rows))[:used] for rows, used in self._inputs]
        return float(np.mean(np.concatenate(losses), dtype=np.float64))

    @staticmethod
    def _rows(source: Source, stream: jax.Array, indices):
        keys = np.asarray(jax.random.key_data(keys_by_index(stream, indices)))
        return source[indices], keys, jnp.asarray(indices)
