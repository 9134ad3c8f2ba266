"""Samples in any number, the i-th a function of its index alone."""

import time
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Int, Num

from gradlog.evaluation.devices import (
    AXIS,
    fetch_rows,
    keys_by_index,
    map_batch,
    over_batches,
    padded_batches,
    place,
)
from gradlog.evaluation.likelihood import Progress
from gradlog.evaluation.steering import Steering
from gradlog.likelihood import Dequantization
from gradlog.models import ScoreModel
from gradlog.sampling import Sampler
from gradlog.sde_lib import SDE

UNSTEERED = Steering()
BATCH_AXIS = "batch"
# What a mean over a whole batch runs over, inside the driver's program.
BATCH_AXES = (BATCH_AXIS, AXIS)


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
        dequantization: Dequantization,
        shape: tuple[int, ...],
        batch_size: int,
        steering: Steering = UNSTEERED,
    ):
        self._batch_size = batch_size

        def batch(shared: tuple[Any, Any], rows):
            def one(key_data, label, known):
                key = jax.random.wrap_key_data(key_data)
                prior_key, path_key = jax.random.split(key)
                score_fn = steering.score_fn(sde, model, *shared, label)
                own = steering.sampler(sampler, dequantization, key, known)
                sample = own(sde, score_fn, sde.prior_sample(prior_key, shape), path_key)
                nfe = sample.nfe * steering.guidance.evaluations
                return {"x": dequantization.stored(sample.x), "nfe": nfe, "ok": sample.ok}

            return jax.vmap(one, axis_name=BATCH_AXIS)(*rows)

        self._batch = map_batch(batch)

    def __call__(
        self,
        params: Any,
        count: int,
        stream: jax.Array,
        progress: Progress = lambda *_: None,
        *,
        guide: Any = None,
        labels: Int[np.ndarray, " n"] | None = None,
        known: Num[np.ndarray, "n *D"] | None = None,
    ) -> Samples:
        """Draws ``count`` samples; sample i uses the key ``fold_in(stream, i)``.

        Args:
          params: parameters of the score model.
          count: of samples.
          stream: root of their keys.
          progress: told how many samples are done, and of how many.
          guide: parameters of the classifier that guides, if there is one.
          labels: the class of each sample.
          known: for each sample a datum as stored, whose projection the sample shall have.
        """
        shared = place((params, guide))
        started = time.perf_counter()

        def draw(indices: Int[np.ndarray, " rows"], used: int) -> dict[str, Any]:
            keys = np.asarray(jax.random.key_data(keys_by_index(stream, indices)))
            wanted = (None if rows is None else rows[indices] for rows in (labels, known))
            return fetch_rows(self._batch(shared, (keys, *wanted)), used)

        batches = padded_batches(count, self._batch_size)
        found = over_batches(batches, draw, lambda done: progress(done, count))
        return Samples(**found, seconds=time.perf_counter() - started)
