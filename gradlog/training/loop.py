"""The training loop: steps, with logging, checkpoints and callbacks at fixed intervals."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from gradlog.config_error import UserError
from gradlog.data.batches import BatchStream
from gradlog.training.interruption import Interrupted, Interruption
from gradlog.training.parallel import ParallelStep
from gradlog.training.state import TrainState

MetricsSink = Callable[[int, dict[str, float]], None]
# Receives a step, its state, and notes to store beside it.
Save = Callable[[int, TrainState, dict[str, Any]], None]
# Steps with their metrics as JSON stores them: None for a number that is not finite.
Pending = Sequence[tuple[int, dict[str, float | None]]]


class NonFiniteError(UserError, RuntimeError):
    """A metric of a step is not finite; the message names both.

    Attributes:
      saved: the step of the state that ``Plan.save`` received.
      skipped: the number of steps skipped until then; None if the metric is a measure of a state.
    """

    def __init__(self, message: str, saved: int = 0, skipped: int | None = None):
        super().__init__(message)
        self.saved, self.skipped = saved, skipped


@dataclass(frozen=True)
class Every:
    """A callback after each ``steps``-th step and after the last one; 0 means never."""

    steps: int
    callback: Callable[[int, TrainState], Any]

    def due(self, step: int, last: int) -> bool:
        return due(self.steps, step, last)


def due(every: int, step: int, last: int) -> bool:
    """Return whether a step is a multiple of ``every``, or the last one; never for 0."""
    return bool(every) and (step % every == 0 or step == last)


@dataclass(frozen=True)
class Plan:
    """The last step of a training, and its logs, checkpoints and callbacks.

    Attributes:
      steps: the last step.
      log_every: the number of steps whose mean metrics form one line of the log.
      save_every: steps from one checkpoint to the next.
      log: receives a step and its metrics, once for each line.
      save: receives the step, the state, and notes: the measures of the step, and under
        ``pending`` the metrics of steps that are in no line yet.
      measures: receive the step and the state; return further metrics of that step.
      callbacks: receive the step and the state, after the line of the step is logged.
      warn: receives one warning for each skipped step.
    """

    steps: int
    log_every: int
    save_every: int
    log: MetricsSink
    save: Save
    measures: Sequence[Every] = ()
    callbacks: Sequence[Every] = ()
    warn: Callable[[str], None] = lambda line: None

    def line_due(self, step: int) -> bool:
        """Return whether a step gets a line: at its interval, or with a callback or checkpoint."""
        others = (*self.measures, *self.callbacks)
        return due(self.log_every, step, self.steps) or (
            self.save_due(step) or any(every.due(step, self.steps) for every in others)
        )

    def save_due(self, step: int) -> bool:
        return due(self.save_every, step, self.steps)


def train(
    step_fn: ParallelStep,
    state: TrainState,
    stream: BatchStream,
    plan: Plan,
    pending: Pending = (),
    interruption: Interruption | None = None,
) -> TrainState:
    """Train from ``state.step`` to ``plan.steps``, and return the last state.

    Args:
      step_fn: the mapped step.
      state: the first state, placed on the devices.
      stream: batches by step.
      plan: the last step, and the logs, checkpoints and callbacks.
      pending: the notes of that name that ``plan.save`` received with the state.
      interruption: requests to stop; polled before every step.

    Raises:
      NonFiniteError: a loss or gradient norm is not finite, and no more steps may be skipped; the
        state before it is passed to ``plan.save``. Or a measure is not finite; its state is.
      Interrupted: a signal requested to stop; the state is saved.
    """
    interruption = interruption or Interruption()
    window = MetricsWindow(pending)
    start = int(state.step)
    saved = start or None  # no checkpoint has the state of step 0

    def save(step: int, notes: dict[str, Any]) -> None:
        """Save the state, which is that of the step, unless it is saved already."""
        nonlocal saved
        if step != saved:
            pending = window.until(step)
            plan.save(step, state, notes | ({"pending": pending} if pending else {}))
            saved = step

    def check_progress(step: int) -> None:
        """Save the state and raise NonFiniteError if it stopped before this step."""
        reached = int(jax.device_get(state.step))
        if reached == step:
            return
        metric = next(metric for metric in window.non_finite() if metric.step > reached)
        save(reached, {})
        skipped = int(jax.device_get(state.skipped))
        after = f", after {skipped} skipped steps" if skipped else ""
        raise NonFiniteError(f"{metric}{after}", reached, skipped)

    def stop_if_requested(step: int) -> None:
        signum = interruption.poll(step)
        if signum is None:
            return
        if step > start:
            check_progress(step)
            save(step, {})
        raise Interrupted(signum, step)

    def write_line(step: int) -> dict[str, float]:
        """Log the line of a step, and return its measures."""
        check_progress(step)
        means, measured = window.means(), {}
        for every in plan.measures:
            if every.due(step, plan.steps):
                measured |= every.callback(step, state)
        for metric in non_finite_metrics(step, measured):
            save(step, {})
            raise NonFiniteError(str(metric), step)
        for metric in window.non_finite():
            plan.warn(f"warning: {metric}; the step was skipped")
        plan.log(step, means | measured)
        window.clear()
        return measured

    def finish_step(step: int) -> None:
        notes = write_line(step) if plan.line_due(step) else {}
        for every in plan.callbacks:
            if every.due(step, plan.steps):
                every.callback(step, state)
        if plan.save_due(step):
            save(step, notes)

    rows = step_fn.rows(stream.batch_size)
    if len(window):  # the line of the first state may be due: its measure was not finite before
        finish_step(start)
    for step in range(start + 1, plan.steps + 1):
        stop_if_requested(step - 1)
        batch = stream.slice(step - 1, rows[0], rows[-1] + 1)
        state, metrics = step_fn(state, batch, step)
        window.add(step, metrics)
        finish_step(step)
    stop_if_requested(plan.steps)
    return state


@dataclass(frozen=True)
class NonFiniteMetric:
    """A metric of a step that is not finite."""

    step: int
    name: str
    value: float

    def __str__(self) -> str:
        return f"step {self.step}: {self.name} is {self.value}"


class MetricsWindow:
    """The metrics of the steps since the last line of the log, on devices until they are used.

    Args:
      pending: metrics of steps before a checkpoint that are in no line yet. They are restored bit
        for bit, so the line is that of an uninterrupted training.
    """

    def __init__(self, pending: Pending = ()):
        self._steps: list[tuple[int, dict[str, Any]]] = [
            (
                step,
                {
                    name: np.float32(np.nan if value is None else value)
                    for name, value in metrics.items()
                },
            )
            for step, metrics in pending
        ]

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, step: int, metrics: dict[str, Any]) -> None:
        """Add the metrics of a step."""
        self._steps.append((step, metrics))

    def clear(self) -> None:
        """Remove all steps, whose line is written."""
        self._steps = []

    def non_finite(self) -> list[NonFiniteMetric]:
        """Return the first metric that is not finite of each step that has one."""
        firsts = (next(non_finite_metrics(*step), None) for step in self._fetch())
        return [metric for metric in firsts if metric is not None]

    def means(self) -> dict[str, float]:
        """Return means over the finite steps, and the number of the others as ``skipped``."""
        skipped = {metric.step for metric in self.non_finite()}
        good = [metrics for step, metrics in self._fetch() if step not in skipped]
        names = good[0] if good else {}
        means = {name: float(np.mean([metrics[name] for metrics in good])) for name in names}
        return means | ({"skipped": len(skipped)} if skipped else {})

    def until(self, step: int) -> Pending:
        """Return the steps up to this one, in numbers that JSON stores exactly."""
        return [
            (
                each,
                {
                    name: float(value) if np.isfinite(value) else None
                    for name, value in metrics.items()
                },
            )
            for each, metrics in self._fetch()
            if each <= step
        ]

    def _fetch(self) -> list[tuple[int, dict[str, Any]]]:
        self._steps = jax.device_get(self._steps)
        return self._steps


def non_finite_metrics(step: int, metrics: dict[str, Any]) -> Iterator[NonFiniteMetric]:
    """Yield the metrics of a step that are not finite."""
    for name, value in metrics.items():
        if not np.isfinite(float(value)):
            yield NonFiniteMetric(step, name, float(value))
