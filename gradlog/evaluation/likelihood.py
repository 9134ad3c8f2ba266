"""The likelihood of a whole data set: every example once, whatever the batch or the devices."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from gradlog.data import Source
from gradlog.evaluation.devices import (
    Indices,
    fetch_rows,
    keys_by_index,
    map_batch,
    over_batches,
    padded_batches,
    place,
    run_on_host,
    unpadded_batches,
)
from gradlog.likelihood import Account, Dequantization, StoredLikelihood, account, runs_on_host
from gradlog.models import ScoreModel
from gradlog.sde_lib import SDE

Progress = Callable[[int, int], None]


class Store(Protocol):
    """Keeps the arrays of finished batches, by the indices of their examples."""

    def load(self, indices: Indices) -> dict[str, Any] | None: ...

    def save(self, indices: Indices, arrays: dict[str, Any]) -> None: ...


class Nowhere:
    """Keeps nothing."""

    def load(self, indices: Indices) -> dict[str, Any] | None:
        del indices

    def save(self, indices: Indices, arrays: dict[str, Any]) -> None:
        pass


@dataclass(frozen=True)
class Evaluation:
    """Likelihoods of the examples of a data set, in its order."""

    account: Account
    errors: dict[str, Float[np.ndarray, " n"]]  # nats, of the estimator alone, by source
    discretization: Float[np.ndarray, " n"]  # nats
    nfe: Int[np.ndarray, " n"]
    jvps: Int[np.ndarray, " n"]
    ok: Bool[np.ndarray, " n"]
    freedom: Float[np.ndarray, " n"]  # of Student's t, for the errors
    seconds: float  # of all hosts together
    compile_seconds: float  # of this host

    @property
    def standard_error(self) -> Float[np.ndarray, " n"]:
        """Of the estimator's own randomness, in nats."""
        squares = [np.square(error, dtype=np.float64) for error in self.errors.values()]
        return np.sqrt(sum(squares, start=np.zeros(len(self.ok))))

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
    dequantization: Dequantization
    batch_size: int

    def _batch(self, shared: tuple[Any, Any], batch: tuple[Any, Any]):
        (params, told), (x, key_data) = shared, batch
        keys = jax.random.wrap_key_data(key_data)

        score_fn = self.model.score_fn(self.sde, params, **told)
        found = self.likelihood(self.sde, score_fn, self.dequantization, x, keys)
        return {
            "parts": found.parts,
            "errors": found.errors,
            "discretization": found.discretization,
            "nfe": found.nfe,
            "jvps": found.jvps,
            "ok": found.ok,
            "freedom": jnp.broadcast_to(found.freedom, found.ok.shape),
        }

    def __call__(
        self,
        params: Any,
        source: Source,
        stream: jax.Array,
        progress: Progress = lambda *_: None,
        *,
        store: Store | None = None,
        look: int = 0,
        condition: int | None = None,
        only: Indices | None = None,
    ) -> Evaluation:
        """Evaluates every example of the source.

        Args:
          params: parameters of the score model.
          source: examples as stored.
          stream: root of the examples' keys; example i has ``fold_in(stream, i)``.
          progress: told how many examples are done, and of how many.
          store: batches that are there already are taken from it, the others put there.
          look: another number is another draw of all that is random: ``fold_in(key, look)``.
          condition: the class that the model is told for all of them; what is random does not
            depend on it, so that classes are compared on the same draws.
          only: indices of the examples to evaluate, by default of all.
        """
        store = store or Nowhere()
        told = {} if condition is None else {"condition": jnp.asarray(condition)}
        shared = place((params, told))
        only = np.arange(len(source)) if only is None else only
        compile_seconds = 0.0

        def likelihoods(places: Indices, used: int) -> dict[str, Any]:
            nonlocal compile_seconds
            indices = only[places]
            found = store.load(indices[:used])
            if found is None:
                inputs = self._inputs(source, stream, indices, look)
                found, compiling = self._evaluate(shared, inputs, used)
                compile_seconds += compiling
                store.save(indices[:used], found)
            return found

        cut = unpadded_batches if runs_on_host(self.likelihood) else padded_batches
        batches = cut(len(only), self.batch_size)
        whole = over_batches(batches, likelihoods, lambda done: progress(done, len(only)))
        dims = int(np.prod(source[np.arange(1)].shape[1:]))
        return Evaluation(
            account=account(whole.pop("parts"), self.dequantization.log_scale, dims),
            seconds=float(np.sum(whole.pop("seconds"))),
            **whole,
            compile_seconds=compile_seconds,
        )

    def _evaluate(self, shared: Any, inputs: Any, used: int) -> tuple[dict[str, Any], float]:
        """The rows that count of a batch, and the seconds it took to compile the program."""
        started = time.perf_counter()
        program = self._compile(shared, inputs)
        compiled = time.perf_counter()
        rows = fetch_rows(program(shared, inputs), used)
        return rows | {"seconds": np.array([time.perf_counter() - compiled])}, compiled - started

    def _compile(self, shared: Any, inputs: Any) -> Callable[[Any, Any], Any]:
        """The program for inputs of these shapes, kept for other parameters."""
        if runs_on_host(self.likelihood):
            return run_on_host(self._batch)
        shapes = str(jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), (inputs, shared[1])))
        if shapes not in self._programs:
            self._programs[shapes] = map_batch(self._batch).lower(shared, inputs).compile()
        return self._programs[shapes]

    @cached_property
    def _programs(self) -> dict[str, Callable[[Any, Any], Any]]:
        return {}

    @staticmethod
    def _inputs(source: Source, stream: jax.Array, indices: Indices, look: int):
        keys = keys_by_index(stream, indices)
        if look:
            keys = jax.vmap(jax.random.fold_in, (0, None))(keys, look)
        return source[indices], np.asarray(jax.random.key_data(keys))
