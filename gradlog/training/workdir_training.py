"""Training in a workdir: from its newest sound checkpoint to its last step, with logs and saves."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gradlog import terminal
from gradlog.data import BatchStream
from gradlog.distributed import any_host, broadcast, is_writer
from gradlog.storage import (
    LOGGED,
    TRACKERS,
    Checkpoints,
    MetricsLog,
    NoTracker,
    Retention,
    TrackedRun,
    Workdir,
    WorkdirError,
    WorkdirLock,
    check_writable,
)
from gradlog.training.checkpoint_selection import newest_to_train_from
from gradlog.training.interruption import defer_signals
from gradlog.training.loop import Every, NonFiniteError, Plan, train
from gradlog.training.parallel import ParallelStep
from gradlog.training.state import TrainState

_HOSTS = "hosts"  # the key of the host count in the notes of a checkpoint
# What a training writes in its folder, so that a link of such a name is found before it begins.
_WRITTEN = (
    *("config.json", "provenance.json", "metrics.jsonl"),
    *("checkpoints", "previews", "schedules", "curves.png"),
)
_PRECISION = "matmul_precision"  # the key of JAX's default there, if it is set
_CHECKPOINTS_TO_FIT = 2  # on the disk before training starts: a new one beside the one before it


@dataclass(frozen=True)
class WorkdirTraining:
    """The settings of a training in a workdir.

    Attributes:
      title: its name on the terminal.
      workdir: the folder that it is trained in.
      retention: which checkpoints are kept.
      config: the whole configuration, kept in the folder.
      identity: the settings that must never change in this folder, by dotted key.
      defaults: values, by dotted key, of settings that are younger than the folder.
      data_facts: facts about the data, with which the run can be opened without them.
      step_fn: the mapped step.
      initial: returns the state before the first step.
      stream: batches by step.
      steps: the last step.
      log_every: steps from one line of the log to the next.
      save_every: steps from one checkpoint to the next.
      report: writes a summary of the finished training; it is called on every host.
      is_reported: returns whether the summary exists.
      measures: further metrics of a step, see `loop.Plan`.
      callbacks: further calls after a step, see `loop.Plan`.
      on_start: is called with the newest step before training resumes from it; with None before
        it begins.
      untrained_steps: the first steps that leave the initial parameters as they are, as the first
        update of a warm-up does.
      suspects: returns, for a step whose loss of these parameters is not finite, what can cause it.
      tracker: the name of one of `storage.TRACKERS`.
      given: parameters by group that replace those of the first state, averages included.
    """

    title: str
    workdir: Workdir
    retention: Retention
    config: dict[str, Any]
    identity: dict[str, Any]
    defaults: Mapping[str, Any]
    data_facts: Mapping[str, Any]
    step_fn: ParallelStep
    initial: Callable[[], TrainState]
    stream: BatchStream
    steps: int
    log_every: int
    save_every: int
    report: Callable[[], None]
    is_reported: Callable[[], bool]
    measures: Sequence[Every] = ()
    callbacks: Sequence[Every] = ()
    on_start: Callable[[int | None], None] = lambda step: None
    untrained_steps: int = 0
    suspects: Callable[[int], str] = lambda step: "the data or the model have to change"
    tracker: str = "tensorboard"
    given: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints of the folder's run, which know which of them are sound."""
        return Checkpoints(self.workdir.checkpoints, self.retention, self.workdir.run)


def train_in_workdir(task: WorkdirTraining) -> None:
    """Train from the newest sound checkpoint, or from the start, to the last step.

    Whatever ends the training, its logs and checkpoints until then are on disk.

    Raises:
      CheckpointError: no checkpoint there is sound, or one cannot be written.
      Interrupted: a signal asked to stop; a checkpoint of the step is written.
      NonFiniteError: a metric is not finite; the state before it is a checkpoint.
      WorkdirError: the folder is another experiment's, is in use, or cannot be written; or what was
        written before was moved or deleted meanwhile.
    """
    task.workdir.check(task.identity, task.defaults)
    if is_writer():
        for name in (*_WRITTEN, task.tracker):  # the folder of a tracker has its name
            task.workdir.own(name)
        leaves = jax.tree.leaves(jax.eval_shape(task.initial))
        size = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
        check_writable(task.workdir.checkpoints, _CHECKPOINTS_TO_FIT * size)
    with lock_workdir(task.workdir.root):
        newest = newest_to_train_from(task.checkpoints)
        done = newest is not None and newest >= task.steps
        if done:
            terminal.say(f"already trained: {newest} steps in {task.workdir.root}")
            if is_writer():
                task.workdir.restore_config(task.config)
        else:
            task.on_start(newest)
            if is_writer():
                task.workdir.claim(
                    task.config, task.identity, newest or 0, task.defaults, task.data_facts
                )
            task.checkpoints.run = task.workdir.run
            state, notes = _first_state(task, newest)
            with (
                _recording(task, int(state.step), notes.get(LOGGED, "")) as plan,
                defer_signals(any_host) as interruption,
            ):
                pending = notes.get("pending", ())
                train(task.step_fn, state, task.stream, plan, pending, interruption)
        # All hosts ask in any case: what host 0 has written is then on disk for the others.
        is_reported = broadcast(task.is_reported())
        if not (done and is_reported):
            task.report()


def _matmul_precision() -> str:
    return jax.config.jax_default_matmul_precision or ""  # pyright: ignore


def lock_workdir(folder: Path) -> contextlib.AbstractContextManager[object]:
    """Lock a folder against other processes for the length of a ``with``.

    With several hosts, the one that writes holds the lock for all of them.

    Raises:
      WorkdirError: another process, which the message names, has the lock; or the folder cannot be
        written.
    """
    return WorkdirLock(folder, terminal.say) if is_writer() else contextlib.nullcontext()


def _first_state(task: WorkdirTraining, newest: int | None) -> tuple[TrainState, dict[str, Any]]:
    """Return the state of the newest checkpoint with its notes, or the one before the first step.

    Say what differs from the process that wrote the checkpoint.
    """
    if newest is None:
        with terminal.working("compiling and drawing the initial parameters"):
            state = task.step_fn.initialize(task.initial)
        place = lambda: task.step_fn.place(jax.tree.map(np.copy, dict(task.given)))  # noqa: E731
        return replace(state, params=state.params | place(), ema=state.ema | place()), {}
    checkpoints = task.checkpoints
    with terminal.working(f"reading the checkpoint of step {newest}"):
        state = checkpoints.restore(newest, jax.eval_shape(task.initial))
    notes = checkpoints.notes(newest)
    precision = notes.get(_PRECISION, "")
    if precision != _matmul_precision():
        terminal.say(
            f"note: JAX_DEFAULT_MATMUL_PRECISION was {precision!r} until step {newest}, it is "
            f"{_matmul_precision()!r} from there on: the numbers agree to rounding"
        )
    before, now = notes.get(_HOSTS, 1), jax.process_count()
    if before != now:
        terminal.say(
            f"note: {before} hosts until step {newest}, {now} from there on: the batches are "
            "the same, and the numbers agree to rounding"
        )
    return task.step_fn.place(state), notes


@contextlib.contextmanager
def _recording(task: WorkdirTraining, start: int, digest: str) -> Iterator[Plan]:
    """Open the log and the tracker; yield the plan that writes to them and saves checkpoints.

    Args:
      task: the training.
      start: the step at which it begins.
      digest: of the lines of the log up to this step, if it is known.

    Raises:
      NonFiniteError: with what the user can do.
    """
    workdir, checkpoints = task.workdir, task.checkpoints
    log, tracker = None, NoTracker()
    if is_writer():
        log = MetricsLog(workdir.root, start, terminal.say, digest)
        tracked = TrackedRun(workdir.root, start, workdir.run, task.config, terminal.say)
        tracker = TRACKERS[task.tracker](tracked)
    try:
        with terminal.progress(task.title, start, task.steps) as update:

            def record(step: int, metrics: dict[str, float]) -> None:
                update(step, f"loss {metrics['loss']:.4f}" if "loss" in metrics else "")
                if log:
                    log.write(step, metrics)
                tracker.write(step, metrics)

            def save(step: int, state: TrainState, notes: dict[str, Any]) -> None:
                arrays = task.step_fn.fetch(state)  # on all hosts
                if log is None:
                    return
                # Before the checkpoint: a power cut must not take lines that it counts on.
                lost = log.sync()
                checkpoints.finish()
                lost = lost or checkpoints.find_loss()
                about = {_HOSTS: jax.process_count(), LOGGED: log.digest}
                if precision := _matmul_precision():
                    about[_PRECISION] = precision
                checkpoints.save(step, arrays, notes | about)
                if lost:
                    checkpoints.finish()
                    raise WorkdirError(
                        f"{lost}; the checkpoint of step {step} is saved, and the same command "
                        "resumes from it"
                    )

            yield Plan(
                task.steps,
                task.log_every,
                task.save_every,
                record,
                save,
                task.measures,
                task.callbacks,
                terminal.say,
            )
    except NonFiniteError as error:
        raise NonFiniteError(
            f"{error}; {_advice(task, error)}", error.saved, error.skipped
        ) from error
    finally:
        if log:
            log.close()
        checkpoints.close()
        tracker.close()


def _advice(task: WorkdirTraining, error: NonFiniteError) -> str:
    """Return what a user can do about a number that is not finite."""
    saved, skipped = error.saved, error.skipped
    if skipped is None:
        return f"its state is saved as the checkpoint of step {saved}"
    if saved - skipped <= task.untrained_steps:
        return (
            "nothing is learned until then, so that a lower learning rate cannot help: "
            f"{task.suspects(saved + 1)}"
        )
    return (
        f"the state before it is saved as the checkpoint of step {saved}: resume and skip such "
        f"steps with --config.training.max_skips={max(10, 2 * skipped)}, or start another workdir "
        "with a lower learning rate"
    )
