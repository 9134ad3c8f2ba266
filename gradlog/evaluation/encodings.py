"""Data to latents and back, in batches."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, Num

from gradlog.evaluation.devices import (
    fetch_rows,
    keys_by_index,
    map_batch,
    over_batches,
    padded_batches,
    place,
)
from gradlog.evaluation.likelihood import Progress
from gradlog.likelihood import Dequantization
from gradlog.models import ScoreModel
from gradlog.sampling import Encoding
from gradlog.sde_lib import SDE


@dataclass(frozen=True)
class Carried:
    """Ends of the flow, with their starts, in the model's space."""

    start: Float[np.ndarray, "n *D"]
    end: Float[np.ndarray, "n *D"]
    nfe: Int[np.ndarray, " n"]
    ok: Bool[np.ndarray, " n"]


class EncodingDriver:
    """Encodes and decodes with any parameters; each direction is compiled at its first call."""

    def __init__(
        self,
        encoding: Encoding,
        sde: SDE,
        model: ScoreModel,
        dequantization: Dequantization,
        batch_size: int,
    ):
        self._encoding, self._sde, self._model = encoding, sde, model
        self._dequantization, self._batch_size = dequantization, batch_size

    def encode(
        self,
        params: Any,
        x: Num[np.ndarray, "n *D"],
        stream: jax.Array,
        progress: Progress = lambda *_: None,
    ) -> Carried:
        """Latents of data as stored; the i-th is dequantized with ``fold_in(stream, i)``."""
        keys = np.asarray(jax.random.key_data(keys_by_index(stream, np.arange(len(x)))))
        return self._run(self._encode, params, (x, keys), progress)

    def decode(
        self, params: Any, z: Float[np.ndarray, "n *D"], progress: Progress = lambda *_: None
    ) -> Carried:
        """Points of the model's space from latents."""
        return self._run(self._decode, params, (z,), progress)

    def stored(self, points: Float[np.ndarray, "n *D"]) -> Num[np.ndarray, "n *D"]:
        """What points of the model's space stand for, in the data's own units."""
        return np.asarray(jax.vmap(self._dequantization.stored)(jnp.asarray(points)))

    @cached_property
    def _encode(self) -> Callable[[Any, Any], Carried]:
        def one(score_fn, x, key_data):
            point, _ = self._dequantization(jax.random.wrap_key_data(key_data), x)
            return point, self._encoding.encode(self._sde, score_fn, point)

        return self._mapped(one)

    @cached_property
    def _decode(self) -> Callable[[Any, Any], Carried]:
        return self._mapped(lambda score_fn, z: (z, self._encoding.decode(self._sde, score_fn, z)))

    def _mapped(self, one: Callable[..., Any]) -> Callable[[Any, Any], Any]:
        def batch(params, rows):
            score_fn = self._model.score_fn(self._sde, params)
            start, found = jax.vmap(lambda row: one(score_fn, *row))(rows)
            return {"start": start, "end": found.x, "nfe": found.nfe, "ok": found.ok}

        return map_batch(batch)

    def _run(
        self, program: Callable[[Any, Any], Any], params: Any, rows: Any, progress: Progress
    ) -> Carried:
        params, count = place(params), len(rows[0])

        def carry(indices: Int[np.ndarray, " rows"], used: int) -> dict[str, Any]:
            return fetch_rows(program(params, tuple(array[indices] for array in rows)), used)

        batches = padded_batches(count, self._batch_size)
        return Carried(**over_batches(batches, carry, lambda done: progress(done, count)))
