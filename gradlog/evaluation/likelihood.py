"""Log likelihoods of a whole data set: every example once, in batches over hosts and devices.

A number has four shapes on its way to a file: `LogProb` of a batch on the devices; its fields as
NumPy arrays, joined over the batches in an `Evaluation`; a `Result`; and the files of the result.
An estimator may add a field to `LogProb` that holds one number an example: it reaches the file
``per_image.npz`` under its own name.
"""

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from gradlog.data import Source
from gradlog.evaluation.batch_cache import BatchCache
from gradlog.evaluation.devices import (
    Indices,
    Progress,
    fetch_rows,
    keys_by_index,
    map_batch,
    over_batches,
    padded_batches,
    place,
    run_on_host,
    unpadded_batches,
)
from gradlog.experiment.experiment import Estimator, Experiment
from gradlog.likelihood import (
    Account,
    LogProb,
    StoredLikelihood,
    account,
    follow,
    planner,
    runs_on_host,
    tightened,
)
from gradlog.likelihood.parts import Part
from gradlog.models import DiffusionModel

Plan = Int[np.ndarray, " nodes"] | None


@dataclass(frozen=True)
class Evaluation:
    """The fields of `LogProb` for the examples of a data set, in its order.

    Attributes:
      values: NumPy arrays by name of the field, with a number for each example; 'parts' and
        'errors' are dictionaries of such arrays.
      log_scale: log of stored units per unit of the model's space, in nats per dimension; None for
        a model of probabilities.
      dims: the number of dimensions of an example.
      seconds: the time of all batches on all hosts, without compilation.
      compile_seconds: the time that this host compiled.
      plan: what the estimator decided for the model, see `LikelihoodEvaluator.plan`.
    """

    values: dict[str, Any]
    log_scale: float | None
    dims: int
    seconds: float
    compile_seconds: float
    plan: Plan = None

    @cached_property
    def account(self) -> Account:
        """Return the terms of the log probability, the change of units included."""
        parts = {Part.named(name): part for name, part in self.values["parts"].items()}
        return account(parts, self.log_scale, self.dims)

    @property
    def errors(self) -> dict[str, Float[np.ndarray, " n"]]:
        """Return standard errors in nats, by the source of the randomness."""
        return self.values.get("errors", {})

    @property
    def standard_error(self) -> Float[np.ndarray, " n"]:
        """Return the standard error by all random draws of the estimator together, in nats."""
        squares = [np.square(error, dtype=np.float64) for error in self.errors.values()]
        return np.sqrt(sum(squares, start=np.zeros(len(self.good))))

    @cached_property
    def good(self) -> Bool[np.ndarray, " n"]:
        """Return which examples have a solver that succeeded and a finite result."""
        return self.values["ok"] & np.isfinite(self.account.nats)

    @property
    def nats(self) -> Float[np.ndarray, " n"]:
        """Return the log probability of each example in nats; NaN where it failed."""
        return np.where(self.good, self.account.nats, np.nan)


@dataclass(frozen=True)
class LikelihoodEvaluator:
    """Evaluates one estimator on a data set with any parameters; it is compiled once.

    Attributes:
      likelihood: an estimator of stored data.
      model: computes in float32, with the dequantizer of the evaluation.
      batch_size: examples at once, over all local devices.
      refinements: how often an example is evaluated again by the tightened estimator, if the
        estimator asks for it.
    """

    likelihood: StoredLikelihood
    model: DiffusionModel
    batch_size: int
    refinements: int = 4

    def __call__(
        self,
        params: Any,
        source: Source,
        stream: jax.Array,
        progress: Progress = lambda done: None,
        *,
        cache: BatchCache | None = None,
        look: int = 0,
        condition: int | None = None,
        only: Indices | None = None,
        plan: Plan = None,
    ) -> Evaluation:
        """Evaluate every example of the source.

        Args:
          params: parameters of the model, by group.
          source: examples as stored.
          stream: root of the keys of the examples; example i has ``fold_in(stream, i)``.
          progress: is called with the number of finished examples.
          cache: keeps finished batches; those that it has are not computed again.
          look: another number is another draw of all that is random: ``fold_in(key, look)``.
          condition: the class that all examples are evaluated under. Random numbers do not depend
            on it, so that classes are compared on the same draws.
          only: indices of the examples to evaluate, by default of all.
          plan: of the estimator for these parameters, by default its own; see ``plan``.
        """
        only = np.arange(len(source)) if only is None else only
        shape = source[np.arange(1)].shape[1:]
        if plan is None:
            plan = self.plan(params, shape)
        shared = place((params, None if condition is None else jnp.asarray(condition), plan))
        compile_seconds = 0.0

        def evaluate(places: Indices, used: int) -> dict[str, Any]:
            nonlocal compile_seconds
            indices = only[places]
            found = cache.load(indices[:used]) if cache else None
            if found is None:
                keys = keys_by_index(stream, indices)
                if look:
                    keys = jax.vmap(jax.random.fold_in, (0, None))(keys, look)
                rows = source[indices], np.asarray(jax.random.key_data(keys))
                found, compiling = self._evaluate(shared, rows, used)
                compile_seconds += compiling
                if cache:
                    cache.save(indices[:used], found)
            return found

        split = unpadded_batches if runs_on_host(self.likelihood) else padded_batches
        values = over_batches(split(len(only), self.batch_size), evaluate, progress)
        seconds = float(np.sum(values.pop("seconds")))
        again = np.flatnonzero(values["refine"])
        if len(again) and self._finer:
            finer = self._finer(
                params,
                source,
                stream,
                cache=cache.within("refined") if cache else None,
                look=look,
                condition=condition,
                only=only[again],
                plan=plan,
            )
            _replace_rows(values, again, finer.values)
            seconds += finer.seconds
            compile_seconds += finer.compile_seconds
        return Evaluation(
            seconds=seconds,
            values=values,
            log_scale=self.model.dequantizer.log_scale,
            dims=math.prod(shape),
            compile_seconds=compile_seconds,
            plan=plan,
        )

    def plan(self, params: Any, shape: tuple[int, ...]) -> Plan:
        """Return what the estimator decides for a model once, before it sees the data.

        It depends on the parameters and the estimator alone: for `Planned` the number of colors at
        each node. It is None for estimators that decide nothing.
        """
        return self.pilot(params, shape).get("plan")

    def pilot(self, params: Any, shape: tuple[int, ...]) -> dict[str, Any]:
        """Return the plan of a model with what it cost; empty for estimators that plan nothing.

        'plan' is an array. 'nfe' and 'jvps' count evaluations, 'seconds' and 'compile_seconds' are
        as in `Evaluation`.
        """
        inner, shape = planner(self.likelihood), tuple(shape)
        if inner is None:
            return {}
        if not any(known is params for known, _ in self._pilots):
            started = time.perf_counter()
            program = self._measuring(shape)
            if not jax.config.jax_disable_jit:  # pyright: ignore
                program = program.lower(params).compile()
            compiled = time.perf_counter()
            found = {
                "plan": inner.plan(jax.device_get(program(params)), shape),
                **inner.cost_of_pilot(shape),
                "seconds": time.perf_counter() - compiled,
                "compile_seconds": compiled - started,
            }
            self._pilots[:] = [(params, found)]
        return self._pilots[0][1]

    @cached_property
    def _pilots(self) -> list[tuple[Any, dict[str, Any]]]:
        return []  # that of the parameters that were asked for last

    @cached_property
    def _measuring(self) -> Callable[[tuple[int, ...]], Any]:
        def program(shape: tuple[int, ...]) -> Any:
            def measure(params: Any, _: None) -> Any:
                return planner(self.likelihood).measure(self.model.bind(params), shape)

            precise = run_on_host(measure)
            return jax.jit(lambda params: precise(params, None))

        return cache(program)

    def _evaluate(self, shared: Any, rows: Any, used: int) -> tuple[dict[str, Any], float]:
        """Return the rows that count of a batch, and the seconds that the program compiled."""
        started = time.perf_counter()
        program = self._compile(shared, rows)
        compiled = time.perf_counter()
        # A LogProb has NaN where there is no estimate. JAX_DEBUG_NANS takes that for an error.
        with jax.debug_nans(False), jax.debug_infs(False):
            found = fetch_rows(program(shared, rows), used)
        if not all(np.isfinite(part).all() for part in found["parts"].values()):
            self._hunt(shared, rows)
        return found | {"seconds": np.array([time.perf_counter() - compiled])}, compiled - started

    def _hunt(self, shared: Any, rows: Any) -> None:
        """Compute a batch again if JAX is asked to find NaN or infinity; JAX then says where."""
        if jax.config.jax_debug_nans or jax.config.jax_debug_infs:  # pyright: ignore
            run_on_host(self._batch)(shared, rows)

    def _compile(self, shared: Any, rows: Any) -> Callable[[Any, Any], Any]:
        """Return the program for arrays of these shapes, whatever the parameters."""
        if runs_on_host(self.likelihood) or jax.config.jax_disable_jit:  # pyright: ignore
            return run_on_host(self._batch)
        shapes = str(jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), (rows, shared[1:])))
        if shapes not in self._programs:
            self._programs[shapes] = map_batch(self._batch).lower(shared, rows).compile()
        return self._programs[shapes]

    @cached_property
    def _finer(self) -> "LikelihoodEvaluator | None":
        tighter = tightened(self.likelihood) if self.refinements else None
        if tighter is None:
            return None
        return replace(self, likelihood=tighter, refinements=self.refinements - 1)

    @cached_property
    def _programs(self) -> dict[str, Callable[[Any, Any], Any]]:
        return {}

    def _batch(self, shared: tuple[Any, Any, Any], rows: tuple[Any, Any]) -> dict[str, Any]:
        (params, condition, plan), (x, key_data) = shared, rows
        model = self.model.bind(params).conditioned(condition)
        likelihood: Any = follow(self.likelihood, plan)
        return numbers_of(likelihood(model, x, jax.random.wrap_key_data(key_data)))


def _replace_rows(values: dict[str, Any], rows: Indices, finer: dict[str, Any]) -> None:
    """Replace the numbers of some examples in place, and add up the costs of both evaluations."""
    costs = {name: values[name][rows] + finer[name] for name in ("nfe", "jvps")}
    for leaf, new in zip(jax.tree.leaves(values), jax.tree.leaves(finer | costs), strict=True):
        leaf[rows] = new


def numbers_of(found: LogProb) -> dict[str, Any]:
    """Return the fields that hold one number an example; latents, which are large, are left out."""
    fields = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    leaves = {name: jax.tree.leaves(field) for name, field in fields.items()}
    spread = lambda leaf: jnp.broadcast_to(leaf, found.ok.shape)  # noqa: E731
    return {
        name: jax.tree.map(spread, field)
        for name, field in fields.items()
        if leaves[name] and all(jnp.ndim(leaf) <= 1 for leaf in leaves[name])
    }


def likelihood_evaluator(experiment: Experiment, estimator: Estimator) -> LikelihoodEvaluator:
    """Return the evaluator of an estimator of an experiment."""
    model = replace(experiment.model.in_float32(), dequantizer=estimator.dequantizer)
    return LikelihoodEvaluator(estimator.likelihood, model, experiment.eval.batch_size)


def evaluated_source(experiment: Experiment) -> Source:
    """Return the test set, or as many of its first examples as the config asks for."""
    test = experiment.dataset.test
    count = experiment.eval.num_images or len(test)
    return test if count >= len(test) else test[np.arange(count)]
