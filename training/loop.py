"""The training loop: one line of steps, with callbacks at fixed intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from data.batches import BatchStream
from training.parallel import Metrics, ParallelStep
from training.state import TrainState

MetricsSink = Callable[[int, dict[str, float]], None]


class NonFiniteError(RuntimeError):
    """A step gave a metric that is not finite; the message names both."""


@dataclass(frozen=True)
class Every:
    """Calls back after each ``steps``-th step, and after the last one; never for 0."""

    steps: int
    callback: Callable[[int, TrainState], Any]

    def due(self, step: int, last: int) -> bool:
        return bool(self.steps) and (step % self.steps == 0 or step == last)


def train(
    step_fn: ParallelStep,
    state: TrainState,
    stream: BatchStream,
    *,
    steps: int,
    log_every: int,
    log: MetricsSink,
    measures: Sequence[Every] = (),
    callbacks: Sequence[Every] = (),
) -> TrainState:
    """Trains from ``state.step`` to ``steps`` and returns the state there.

    Args:
      step_fn: the mapped step.
      state: where to begin, placed on the devices.
      stream: batches by step.
      steps: the step to end at.
      log_every: steps over which metrics are averaged before they are logged.
      log: receives the step and its metrics, once a step.
      measures: called with the step and the state; return further metrics of that step.
      callbacks: called with the step and the state, after it was logged.

    Raises:
      NonFiniteError: a loss or gradient norm was not finite.
    """
    rows = step_fn.rows(stream.batch_size)
    window: list[tuple[int, Metrics]] = []
    for step in range(int(state.step) + 1, steps + 1):
        state, metrics = step_fn(state, stream.slice(step - 1, rows[0], rows[-1] + 1))
        window.append((step, metrics))
        to_measure, to_call = (
            [every for every in group if every.due(step, steps)] for group in (measures, callbacks)
        )
        if step % log_every == 0 or step == steps or to_measure or to_call:
            logged = _averages(window)
            for every in to_measure:
                logged |= every.callback(step, state)
            _check(step, logged)
            log(step, logged)
            window = []
        for every in to_call:
            every.callback(step, state)
    return state


def _averages(window: list[tuple[int, Metrics]]) -> dict[str, float]:
    fetched: list[tuple[int, dict[str, Any]]] = jax.device_get(window)
    for step, metrics in fetched:
        _check(step, metrics)
    names = fetched[0][1]
    return {name: float(np.mean([metrics[name] for _, metrics in fetched])) for name in names}


def _check(step: int, metrics: dict[str, Any]) -> None:
    for name, value in metrics.items():
        if not np.isfinite(value):
            raise NonFiniteError(f"step {step}: {name} is {value}")
