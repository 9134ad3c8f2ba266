"""Samples in any number, the i-th a function of its index alone."""

import time
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Int, Num

from evaluation.devices import keys_by_index, map_batch, padded_batches, place
from evaluation.likelihood import Progress
from likelihood import Dequantisation
from models import ScoreModel
from sampling import Sampler
from sde_lib import SDE


@dataclass(frozen=True)
class Samples:
    """Samples in the data's own units, with what they cost."""

    x: Num[np.ndarray, "n *D"]
    nfe: Int[np.ndarray, " n"]
    ok: Bool[np.ndarray, " n"]
    seconds: float


class SampleDriver:
    """Draws samples in batches; compiled at its first call."""

    def __init__(
        self,
        sampler: Sampler,
        sde: SDE,
        model: ScoreModel,
        dequantisation: Dequantisation,
        shape: tuple[int, ...],
        batch_size: int,
    ):
        self._batch_size = batch_size

        def batch(params: Any, key_data):
            score_fn = model.score_fn(sde, params)

            def one(key):
                prior_key, path_key = jax.random.split(key)
                sample = sampler(sde, score_fn, sde.prior_sample(prior_key, shape), path_key)
                return dequantisation.stored(sample.x), sample.nfe, sample.ok

            return jax.vmap(one)(jax.random.wrap_key_data(key_data))

        self._batch = map_batch(batch)

    def __call__(
        self, params: Any, count: int, stream: jax.Array, progress: Progress = lambda *_: None
    ) -> Samples:
        """Draws ``count`` samples; sample i uses the key ``fold_in(stream, i)``."""
        params = place(params)
        started = time.perf_counter()
        rows, done = [], 0
        for indices, used in padded_batches(count, self._batch_size):
            keys = np.asarray(jax.random.key_data(keys_by_index(stream, indices)))
            result = jax.device_get(self._batch(params, keys))
            rows.append(jax.tree.map(lambda leaf, used=used: leaf[:used], result))
            done += used
            progress(done, count)
        x, nfe, ok = (np.concatenate(parts) for parts in zip(*rows, strict=True))
        return Samples(x, nfe, ok, time.perf_counter() - started)
