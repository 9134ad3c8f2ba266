"""Trackers, which show the metrics of a training beside its own ``metrics.jsonl``.

A tracker decides no number, and training continues if it fails. A new tracker is a class with
``write`` and ``close``, and a line in ``TRACKERS``.
"""

import contextlib
import importlib.util
import math
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from flax.traverse_util import flatten_dict

from gradlog.storage.files import own_path

_WAITING = 10_000  # points that a slow server may be behind
_CLOSING_SECONDS = 20.0  # a scheduler that stops a run gives it little longer


@dataclass(frozen=True)
class TrackedRun:
    """The run that a tracker shows.

    Attributes:
      folder: the workdir.
      step: the step at which training begins or resumes. All points have later steps.
      run: the run's own name, the same after each resume; '' if it has none.
      config: its whole configuration.
      tell: receives notes for the terminal.
    """

    folder: Path
    step: int
    run: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    tell: Callable[[str], None] = print


class Tracker(Protocol):
    """Shows the metrics of one training."""

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Add a point to each curve, unless an interrupted run has already added it."""
        ...

    def close(self) -> None:
        """End, after everything was sent."""
        ...


class NoTracker:
    """A tracker that shows nothing."""

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        pass

    def close(self) -> None:
        pass


class BackgroundTracker:
    """Another tracker in its own thread, so that training never waits for a server.

    If the other tracker fails or falls too far behind, there is one note, and nothing more is
    written.

    Args:
      name: what the note calls the tracker.
      start: makes the tracker, in the thread.
      tell: receives the note.
      closing_seconds: time to wait for the last points.
    """

    def __init__(
        self,
        name: str,
        start: Callable[[], Tracker],
        tell: Callable[[str], None],
        closing_seconds: float = _CLOSING_SECONDS,
    ):
        self._name, self._start, self._tell = name, start, tell
        self._closing_seconds = closing_seconds
        self._points: queue.Queue[tuple[int, Mapping[str, float]] | None] = queue.Queue(_WAITING)
        self._has_failed = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Hand the points to the thread."""
        self._put((step, metrics))

    def close(self) -> None:
        """Wait until everything is written, but not for long."""
        self._put(None)
        self._thread.join(self._closing_seconds)
        if self._thread.is_alive():
            self._give_up(f"it is not done after {self._closing_seconds:g} s")

    def _put(self, point: tuple[int, Mapping[str, float]] | None) -> None:
        if self._has_failed.is_set():
            return
        try:
            self._points.put_nowait(point)
        except queue.Full:
            self._give_up(f"it is {_WAITING} points behind")

    def _work(self) -> None:
        try:
            tracker = self._start()
            while not self._has_failed.is_set() and (point := self._points.get()) is not None:
                tracker.write(*point)
            tracker.close()
        except Exception as error:  # whatever another package's client raises
            self._give_up(" ".join(str(error).split()) or type(error).__name__)

    def _give_up(self, reason: str) -> None:
        if not self._has_failed.is_set():
            self._has_failed.set()
            self._tell(f"note: no more is written to {self._name}: {reason}")


class TensorBoard:
    """Writes event files. If that fails, there is one note, and nothing more is written.

    tensorboardX's own writer has a thread. That thread dies of a full disk, and the next metrics
    then wait for it forever. This class has no thread.
    """

    def __init__(self, tracked: TrackedRun):
        self._folder = own_path(tracked.folder, "tensorboard")
        self._tell = tracked.tell
        self._events: Any = None
        with self._stop_on_failure():
            from tensorboardX.event_file_writer import EventsWriter
            from tensorboardX.proto.event_pb2 import SessionLog  # pyright: ignore

            self._folder.mkdir(parents=True, exist_ok=True)
            self._events = EventsWriter(str(self._folder / "events"))
            # TensorBoard then hides the later steps in the files of an interrupted run.
            self._add(tracked.step + 1, session_log=SessionLog(status=SessionLog.START))

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Add a point to each curve."""
        if self._events is None:
            return
        from tensorboardX.summary import scalar

        with self._stop_on_failure():
            for name, value in metrics.items():
                self._add(step, summary=scalar(name, value))
            self._events.flush()

    def close(self) -> None:
        """Close the file."""
        events, self._events = self._events, None
        if events is not None:
            with contextlib.suppress(OSError):
                events.close()

    def _add(self, step: int, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event  # pyright: ignore

        self._events.write_event(Event(wall_time=time.time(), step=step, **content))

    @contextlib.contextmanager
    def _stop_on_failure(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._tell(f"note: no more is written to {self._folder}: {error.strerror}")
            self.close()


class WandB:
    """Sends metrics to Weights & Biases. The run's name is its id, by which it resumes.

    Project, entity, name and mode come from ``WANDB_PROJECT``, ``WANDB_ENTITY``, ``WANDB_NAME`` and
    ``WANDB_MODE``. Steps at W&B only increase. So points of later steps from an interrupted run
    stay there. Training repeats the same numbers, and the points after them are sent.
    """

    def __init__(self, tracked: TrackedRun):
        import wandb  # pyright: ignore[reportMissingImports]

        own_path(tracked.folder, "wandb")  # where wandb writes
        self._run: Any = wandb.init(
            id=tracked.run or None,
            resume="allow",
            dir=str(tracked.folder),
            project=os.environ.get("WANDB_PROJECT", "gradlog"),
            name=os.environ.get("WANDB_NAME", tracked.folder.name),
            config=dict(tracked.config),
            # The terminal belongs to the training; wandb must not capture its output.
            settings=wandb.Settings(console="off", silent=True),
        )
        if not self._run.offline:
            tracked.tell(f"tracked at {self._run.url}")

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Send the finite metrics."""
        if step >= self._run.step:
            self._run.log(dict(_select_finite(metrics)), step=step)

    def close(self) -> None:
        """Wait until everything is sent."""
        self._run.finish()


class MLflow:
    """Sends metrics to MLflow. The run's name is in the tag ``gradlog.run``, by which it resumes.

    Server, experiment and name come from ``MLFLOW_TRACKING_URI``, ``MLFLOW_EXPERIMENT_NAME`` and
    ``MLFLOW_RUN_NAME``. MLflow stores every point that it receives. So points that an interrupted
    run has sent are not sent again.
    """

    def __init__(self, tracked: TrackedRun):
        from mlflow import MlflowClient  # pyright: ignore[reportMissingImports]
        from mlflow.entities import Param  # pyright: ignore[reportMissingImports]

        client: Any = MlflowClient()
        self._client = client
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "gradlog")
        experiment = client.get_experiment_by_name(name)
        id = experiment.experiment_id if experiment else client.create_experiment(name)
        wanted = f"tags.`gradlog.run` = '{tracked.run}'"
        found = client.search_runs([id], wanted, max_results=1) if tracked.run else []
        self._sent = -1  # the last step that the server has
        if found:
            self._id = found[0].info.run_id
            for metric in client.get_run(self._id).data.metrics:
                points = client.get_metric_history(self._id, metric)
                self._sent = max(self._sent, *(point.step for point in points))
        else:
            run_name = os.environ.get("MLFLOW_RUN_NAME", tracked.folder.name)
            made = client.create_run(id, tags={"gradlog.run": tracked.run}, run_name=run_name)
            self._id = made.info.run_id
            settings = flatten_dict(dict(tracked.config), sep=".")
            params = [Param(key, str(value)) for key, value in settings.items()]
            for start in range(0, len(params), 100):  # MLflow takes no more at once
                client.log_batch(self._id, params=params[start : start + 100])
        client.update_run(self._id, status="RUNNING")

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Send the finite metrics of steps that were not sent before."""
        from mlflow.entities import Metric  # pyright: ignore[reportMissingImports]

        if step > self._sent:
            now = int(1000 * time.time())
            points = [Metric(name, value, now, step) for name, value in _select_finite(metrics)]
            self._client.log_batch(self._id, metrics=points)

    def close(self) -> None:
        """End the run."""
        self._client.set_terminated(self._id)


def _select_finite(metrics: Mapping[str, float]) -> list[tuple[str, float]]:
    return [(name, value) for name, value in metrics.items() if math.isfinite(value)]


TRACKERS: dict[str, Callable[[TrackedRun], Tracker]] = {
    "mlflow": lambda tracked: BackgroundTracker("mlflow", lambda: MLflow(tracked), tracked.tell),
    "none": lambda tracked: NoTracker(),
    "tensorboard": TensorBoard,
    "wandb": lambda tracked: BackgroundTracker("wandb", lambda: WandB(tracked), tracked.tell),
}
# The packages of trackers that are not required, by tracker.
PACKAGES = {"mlflow": "mlflow", "wandb": "wandb"}


def find_missing_package(tracker: str) -> str:
    """Return the package that a tracker needs and that is not installed; '' if there is none."""
    package = PACKAGES.get(tracker, "")
    return package if package and importlib.util.find_spec(package) is None else ""
