"""The training loss on data that is not trained on."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradlog.data import Source, split_label
from gradlog.evaluation.devices import (
    Indices,
    fetch_rows,
    keys_by_index,
    map_batch,
    over_batches,
    padded_batches,
    place,
)
from gradlog.likelihood import Dequantization
from gradlog.losses import ScoreMatchingLoss, stratified


class HeldOutLoss:
    """Mean loss of the first ``count`` examples, with the same times and noises at every call."""

    def __init__(
        self,
        loss: ScoreMatchingLoss,
        dequantization: Dequantization,
        source: Source,
        stream: jax.Array,
        *,
        count: int,
        batch_size: int,
    ):
        self._count = min(count, len(source))
        self._source, self._stream = source, stream
        self._batches = list(padded_batches(self._count, batch_size))
        self._read: dict[int, Any] = {}

        def one(params, row, key, position):
            x, label = split_label(row)
            told = {} if label is None else {"condition": label}
            data_key, time_key, loss_key = jax.random.split(key, 3)
            x0, _ = dequantization(data_key, x)
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

        def losses(indices: Indices, used: int) -> dict[str, Any]:
            return {"loss": fetch_rows(self._batch(params, self._inputs(indices)), used)}

        return float(np.mean(over_batches(self._batches, losses)["loss"], dtype=np.float64))

    def _inputs(self, indices: Indices) -> Any:
        """Examples, keys and positions of a batch; read once."""
        first = int(indices[0])
        if first not in self._read:
            keys = np.asarray(jax.random.key_data(keys_by_index(self._stream, indices)))
            self._read[first] = self._source[indices], keys, jnp.asarray(indices)
        return self._read[first]
