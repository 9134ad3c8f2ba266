"""The likelihood of a whole data set: every example once, whatever the batch or the devices."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from data import Source
from evaluation.devices import keys_by_index, map_batch, padded_batches, place
from likelihood import Account, Dequantisation, StoredLikelihood, account
from models import ScoreModel
from sde_lib import SDE

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """Likelihoods of the examples of a data set, in its order."""

    account: Account
    errors: dict[str, Float[np.ndarray, " n"]]  # nats, of the estimator alone, by source
    discretisation: Float[np.ndarray, " n"]  # nats
    nfe: Int[np.ndarray, " n"]
    jvps: Int[np.ndarray, " n"]
    ok: Bool[np.ndarray, " n"]
    seconds: float
    compile_seconds: float

    @property
    def standard_error(self) -> Float[np.ndarray, " n"]:
        """Of the estimator's own randomness, in nats."""
        return np.sqrt(np.sum([error**2 for error in self.errors.values()], axis=0))

    @property
    def good(self) -> Bool[np.ndarray, " n"]:
        """Examples whose solver succeeded with a finite result."""
        return self.ok & np.isfinite(self.account.nats)


@dataclass(frozen=True)
class LikelihoodEvaluator:
    """Evaluates one estimator on a data set with any parameters; compiled once."""

    likelihood: StoredLikelihood
    sde: SDE
    model: ScoreModel
    dequantisation: Dequantisation
    batch_size: int

    def _batch(self, params: Any, batch: tuple[Any, Any]):
        x, key_data = batch
        keys = jax.random.wrap_key_data(key_data)

        score_fn = self.model.score_fn(self.sde, params)
        found = self.likelihood(self.sde, score_fn, self.dequantisation, x, keys)
        return {
            "parts": found.parts,
            "errors": found.errors,
            "discretisation": found.discretisation,
            "nfe": found.nfe,
            "jvps": found.jvps,
            "ok": found.ok,
        }

    def __call__(
        self, params: Any, source: Source, stream: jax.Array, progress: Progress = lambda *_: None
    ) -> Evaluation:
        """Evaluates every example of the source.

        Args:
          params: parameters of the score model.
          source: examples as stored.
          stream: root of the examples' keys; example i has ``fold_in(stream, i)``.
          progress: told how many examples are done, and of how many.
        """
        count = len(source)
        params = place(params)
        batches = list(padded_batches(count, self.batch_size))
        started = time.perf_counter()
        compiled = self._compile(params, self._inputs(source, stream, batches[0][0]))
        compile_seconds = time.perf_counter() - started

        started = time.perf_counter()
        rows, done = [], 0
        for indices, used in batches:
            result = jax.device_get(compiled(params, self._inputs(source, stream, indices)))
            rows.append(jax.tree.map(lambda leaf, used=used: leaf[:used], result))
            done += used
            progress(done, count)
        seconds = time.perf_counter() - started
        whole = jax.tree.map(lambda *parts: np.concatenate(parts), *rows)
        dims = int(np.prod(source[np.arange(1)].shape[1:]))
        return Evaluation(
            account=account(whole.pop("parts"), self.dequantisation.log_scale, dims),
            **whole,
            seconds=seconds,
            compile_seconds=compile_seconds,
        )

    def _compile(self, params: Any, inputs: Any) -> Callable[[Any, Any], Any]:
        """The program for inputs of these shapes, kept for other parameters."""
        shapes = str(jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), inputs))
        if shapes not in self._programs:
            self._programs[shapes] = map_batch(self._batch).lower(params, inputs).compile()
        return self._programs[shapes]

    @cached_property
    def _programs(self) -> dict[str, Callable[[Any, Any], Any]]:
        return {}

    @staticmethod
    def _inputs(source: Source, stream: jax.Array, indices):
        keys = keys_by_index(stream, indices)
        return source[indices], np.asarray(jax.random.key_data(keys))
