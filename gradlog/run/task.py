"""Training in a workdir: one way for whatever is trained there."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

import jax

from gradlog import terminal
from gradlog.data import BatchStream
from gradlog.distributed import agreed, any_host, count, writes
from gradlog.experiment.saved import defaults
from gradlog.run.chosen import newest_to_train_from
from gradlog.run.holding import held
from gradlog.storage import (
    LOGGED,
    TRACKERS,
    Checkpoints,
    MetricsLog,
    NoTracker,
    Retention,
    Tracked,
    Tracker,
    Workdir,
    check_writable,
)
from gradlog.training import (
    Every,
    ParallelStep,
    Plan,
    Save,
    TrainState,
    noticed,
    train,
)

# In the notes of a checkpoint: how many hosts there were.
_HOSTS = "hosts"
_CHECKPOINTS_TO_FIT = 2  # on the disk before training starts: one beside the one before it


@dataclass(frozen=True)
class Task:
    """What is trained in a workdir, and how.

    Attributes:
      title: what the terminal calls it.
      workdir: the folder that it is trained in.
      retention: which of its checkpoints are kept.
      config: the whole configuration, kept in the folder.
      identity: the settings that must never change there.
      step_fn: the mapped step.
      initial: makes the state before the first step.
      stream: batches by step.
      steps: the step to end at.
      log_every: steps to a line of the log.
      save_every: steps from one checkpoint to the next.
      measures: further metrics of a step, see ``training.Plan``.
      callbacks: what else is done on the way.
      report: writes what is told of a finished training; called on every host.
      reported: whether that is there.
      goes_on_from: told the newest step, before training goes on from it.
      tracker: where its metrics are shown, one of ``storage.TRACKERS``.
    """

    title: str
    workdir: Workdir
    retention: Retention
    config: dict[str, Any]
    identity: dict[str, Any]
    step_fn: ParallelStep
    initial: Callable[[], TrainState]
    stream: BatchStream
    steps: int
    log_every: int
    save_every: int
    report: Callable[[], None]
    reported: Callable[[], bool]
    measures: Sequence[Every] = ()
    callbacks: Sequence[Every] = ()
    goes_on_from: Callable[[int], None] = lambda step: None
    tracker: str = "tensorboard"

    @property
    def checkpoints(self) -> Checkpoints:
        """Those of the folder, as its run is known by now: the claim gives it its name."""
        return self._checkpoints_of(self.workdir.run)

    @cached_property
    def _checkpoints_of(self) -> Callable[[str], Checkpoints]:
        """By run; they are kept, with what they know to be sound."""
        return cache(partial(Checkpoints, self.workdir.checkpoints, self.retention))


def train_task(task: Task) -> None:
    """Trains from the newest sound checkpoint, or from the start, to the last step.

    Whatever ends the training, what was logged and saved until then is on disk.

    Raises:
      CheckpointError: no checkpoint there is sound, or one cannot be written.
      Interrupted: SIGTERM or SIGINT came; a checkpoint of the step is written.
      NonFiniteError: a metric is not finite; the state before it is a checkpoint.
      WorkdirError: the folder is another experiment's, in use, or cannot be written.
    """
    with _claimed(task):
        newest = newest_to_train_from(task.checkpoints)
        done = newest is not None and newest >= task.steps
        if done:
            terminal.say(f"already trained: {newest} steps in {task.workdir.root}")
            if writes():
                task.workdir.restore_config(task.config)
        else:
            _train(task, newest)
        # Asked in any case: what host 0 has trained is then on the disk for the others.
        reported = agreed(task.reported())
        if not (done and reported):
            task.report()


@contextlib.contextmanager
def _claimed(task: Task) -> Iterator[None]:
    """This process alone trains in the folder, which is of this identity."""
    task.workdir.check(task.identity, defaults())
    if writes():
        check_writable(task.workdir.checkpoints, _CHECKPOINTS_TO_FIT * _size(task.initial))
    with held(task.workdir.root):
        yield


def _size(initial: Callable[[], TrainState]) -> int:
    """Bytes of a state."""
    leaves = jax.tree.leaves(jax.eval_shape(initial))
    return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)


def _train(task: Task, newest: int | None) -> None:
    if newest is not None:
        task.goes_on_from(newest)
    if writes():
        task.workdir.claim(task.config, task.identity, newest or 0, defaults())
    checkpoints = task.checkpoints
    state, notes = _start(task, checkpoints, newest)
    start = int(state.step)
    log, tracker = None, NoTracker()
    if writes():
        log = MetricsLog(task.workdir.root, start, terminal.say, notes.get(LOGGED, ""))
        tracker = _tracker(task, start)
    try:
        with terminal.progress(task.title, start, task.steps) as update:

            def record(step: int, metrics: dict[str, float]) -> None:
                update(step, f"loss {metrics['loss']:.4f}" if "loss" in metrics else "")
                if log:
                    log.write(step, metrics)
                tracker.write(step, metrics)

            plan = Plan(
                task.steps,
                task.log_every,
                task.save_every,
                record,
                _saving(task.step_fn, checkpoints, log),
                task.measures,
                task.callbacks,
                terminal.say,
            )
            pending = notes.get("pending", ())
            with noticed(any_host) as interruption:
                train(task.step_fn, state, task.stream, plan, pending, interruption)
    finally:
        if log:
            log.close()
        checkpoints.close()
        tracker.close()


def _tracker(task: Task, step: int) -> Tracker:
    root, config = task.workdir.root, task.config
    return TRACKERS[task.tracker](Tracked(root, step, task.workdir.run, config, terminal.say))


def _start(
    task: Task, checkpoints: Checkpoints, newest: int | None
) -> tuple[TrainState, dict[str, Any]]:
    """The state to begin with, on the devices, and what was noted of it."""
    if newest is None:
        with terminal.working("compiling and drawing the initial parameters"):
            return task.step_fn.started(task.initial), {}
    with terminal.working(f"reading the checkpoint of step {newest}"):
        state = checkpoints.restore(newest, jax.eval_shape(task.initial))
    notes = checkpoints.notes(newest)
    before, now = notes.get(_HOSTS, 1), count()
    if before != now:
        terminal.say(
            f"note: hosts until step {newest}: {before}, from there on: {now}; the batches are the "
            "same, and the numbers to rounding"
        )
    return task.step_fn.place(state), notes


def _saving(step_fn: ParallelStep, checkpoints: Checkpoints, log: MetricsLog | None) -> Save:
    def save(step: int, state: TrainState, notes: dict[str, Any]) -> None:
        arrays = step_fn.fetch(state)  # by all hosts
        if log:
            log.sync()  # a checkpoint whose lines a power cut took would go on without them
            checkpoints.save(step, arrays, notes | {_HOSTS: count(), LOGGED: log.digest})

    return save
