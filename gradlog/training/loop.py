"""The training loop: one line of steps, and what is done at fixed intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from gradlog.data.batches import BatchStream
from gradlog.training.interruption import Interrupted, Interruption
from gradlog.training.parallel import ParallelStep
from gradlog.training.state import TrainState
from gradlog.training.window import Bad, Pending, Window, not_finite

MetricsSink = Callable[[int, dict[str, float]], None]
# Receives a step, its state and what is to be kept beside it.
Save = Callable[[int, TrainState, dict[str, Any]], None]


class NonFiniteError(RuntimeError):
    """A step gave a metric that is not finite; the message names both."""


@dataclass(frozen=True)
class Every:
    """Calls back after each ``steps``-th step, and after the last one; never for 0."""

    steps: int
    callback: Callable[[int, TrainState], Any]

    def due(self, step: int, last: int) -> bool:
        return due(self.steps, step, last)


def due(every: int, step: int, last: int) -> bool:
    """Whether a step is a multiple, or the last one; never for 0."""
    return bool(every) and (step % every == 0 or step == last)


@dataclass(frozen=True)
class Plan:
    """What is done when.

    Attributes:
      steps: the step to end at.
      log_every: steps over which metrics are averaged before they are logged.
      save_every: steps from one checkpoint to the next.
      log: receives the step and its metrics, once a step.
      save: receives the step, the state, and notes: the metrics of the step that were measured, and
        under ``pending`` those of steps that are in no line yet.
      measures: called with the step and the state; return further metrics of that step.
      callbacks: called with the step and the state, after it was logged.
      warn: receives a line for each step that was left out.
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
        """Whether the metrics of a step are logged: at its interval, and whenever it is used."""
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
    """Trains from ``state.step`` to ``plan.steps`` and returns the state there.

    Args:
      step_fn: the mapped step.
      state: where to begin, placed on the devices.
      stream: batches by step.
      plan: what is done when.
      pending: what ``plan.save`` received under this name with the state.
      interruption: whether to leave; asked before every step.

    Raises:
      NonFiniteError: a loss or gradient norm was not finite, and it was one too many; the state
        before it is saved. Or a measure was not; the state that it was of is saved.
      Interrupted: a signal asked to leave; the state is saved.
    """
    return _Loop(step_fn, state, stream, plan, Window(pending), interruption).run()


class _Loop:
    """Training between two steps: the state, the window, and the step last saved."""

    def __init__(self, step_fn, state, stream, plan, window, interruption):
        self._step_fn: ParallelStep = step_fn
        self._state: TrainState = state
        self._stream: BatchStream = stream
        self._plan: Plan = plan
        self._window: Window = window
        self._interruption: Interruption = interruption or Interruption()
        self._start = int(state.step)
        self._saved = self._start or None  # the state of step 0 is in no checkpoint

    def run(self) -> TrainState:
        rows = self._step_fn.rows(self._stream.batch_size)
        if len(self._window):  # a line that was due, and could not be written
            self._between(self._start)
        for step in range(self._start + 1, self._plan.steps + 1):
            self._leave_if_wanted(step - 1)
            batch = self._stream.slice(step - 1, rows[0], rows[-1] + 1)
            self._state, metrics = self._step_fn(self._state, batch, step)
            self._window.add(step, metrics)
            self._between(step)
        self._leave_if_wanted(self._plan.steps)
        return self._state

    def _between(self, step: int) -> None:
        """What is due after a step."""
        plan, notes = self._plan, {}
        if plan.line_due(step):
            notes = self._log(step)
        for every in plan.callbacks:
            if every.due(step, plan.steps):
                every.callback(step, self._state)
        if plan.save_due(step):
            self._save(step, notes)

    def _log(self, step: int) -> dict[str, float]:
        """Logs the window's line; gives what was measured."""
        self._check_progress(step)
        logged, measured = self._window.averages(), self._measured(step)
        for bad in not_finite(step, measured):
            self._save(step, {})
            raise NonFiniteError(f"{bad}; the state is kept as the checkpoint of step {step}")
        for bad in self._window.bad():
            self._plan.warn(f"warning: {bad}; the step was left out")
        self._plan.log(step, logged | measured)
        self._window.clear()
        return measured

    def _measured(self, step: int) -> dict[str, float]:
        measured = {}
        for every in self._plan.measures:
            if every.due(step, self._plan.steps):
                measured |= every.callback(step, self._state)
        return measured

    def _check_progress(self, step: int) -> None:
        """Raises NonFiniteError where the state stands still before a step that is one too many."""
        reached = int(jax.device_get(self._state.step))
        if reached == step:
            return
        bad = next(bad for bad in self._window.bad() if bad.step > reached)
        self._save(reached, {})
        raise NonFiniteError(_too_many(bad, int(jax.device_get(self._state.skipped))))

    def _leave_if_wanted(self, step: int) -> None:
        signum = self._interruption.wanted(step)
        if signum is None:
            return
        if step > self._start:
            self._check_progress(step)
            self._save(step, {})
        raise Interrupted(signum, step)

    def _save(self, step: int, notes: dict[str, Any]) -> None:
        """Saves the state, whose step this is, unless it is the one that is saved already."""
        if step != self._saved:
            pending = self._window.until(step)
            self._plan.save(step, self._state, notes | ({"pending": pending} if pending else {}))
            self._saved = step


def _too_many(bad: Bad, skipped: int) -> str:
    before = f", after {skipped} steps that were left out" if skipped else ""
    return (
        f"{bad}{before}; the state before it is kept as the checkpoint of step {bad.step - 1}: go "
        f"on without such steps by --config.training.max_skips={max(10, 2 * skipped)}, or begin "
        "another workdir with a lower learning rate"
    )
