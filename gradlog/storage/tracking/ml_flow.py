"""The metrics of a run at MLflow."""

import math
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from gradlog.storage.tracking.base import Tracked

EXPERIMENT = "gradlog"
_TAG = "gradlog.run"


class MLflow:
    """A run of MLflow with the run's own name in a tag, by which it is found when it goes on.

    Server, experiment and name are those of ``MLFLOW_TRACKING_URI``, ``MLFLOW_EXPERIMENT_NAME`` and
    ``MLFLOW_RUN_NAME``. MLflow keeps every point that it is sent: those that an interrupted run has
    sent already are not sent again.
    """

    def __init__(self, tracked: Tracked):
        from mlflow import MlflowClient  # pyright: ignore[reportMissingImports]

        self._client: Any = MlflowClient()
        experiment = self._experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT))
        found = self._find(experiment, tracked.run)
        self._id = found or self._create(experiment, tracked)
        self._client.update_run(self._id, status="RUNNING")
        self._sent = max(self._steps(), default=-1) if found else -1

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Sends what is finite, of steps that were not sent."""
        from mlflow.entities import Metric  # pyright: ignore[reportMissingImports]

        if step > self._sent:
            now = int(1000 * time.time())
            finite = [(name, value) for name, value in metrics.items() if math.isfinite(value)]
            points = [Metric(name, value, now, step) for name, value in finite]
            self._client.log_batch(self._id, metrics=points)

    def close(self) -> None:
        """Ends the run."""
        self._client.set_terminated(self._id)

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        return found.experiment_id if found else self._client.create_experiment(name)

    def _find(self, experiment: str, run: str) -> str | None:
        wanted = f"tags.`{_TAG}` = '{run}'"
        found = self._client.search_runs([experiment], wanted, max_results=1) if run else []
        return found[0].info.run_id if found else None

    def _create(self, experiment: str, tracked: Tracked) -> str:
        from mlflow.entities import Param  # pyright: ignore[reportMissingImports]

        name = os.environ.get("MLFLOW_RUN_NAME", tracked.folder.name)
        made = self._client.create_run(experiment, tags={_TAG: tracked.run}, run_name=name)
        params = [Param(key, str(value)) for key, value in _flat(tracked.config)]
        for start in range(0, len(params), 100):  # as many as it takes at once
            self._client.log_batch(made.info.run_id, params=params[start : start + 100])
        return made.info.run_id

    def _steps(self) -> Iterator[int]:
        """Steps of all points that are there."""
        for name in self._client.get_run(self._id).data.metrics:
            for point in self._client.get_metric_history(self._id, name):
                yield point.step


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
