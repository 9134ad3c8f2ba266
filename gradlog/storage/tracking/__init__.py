"""Where the metrics of a run are shown, beside its own ``metrics.jsonl``.

A tracker is a picture of that file: it decides no number, and where it fails training goes on. A
new one is a file here and a line below.
"""

import importlib.util
from collections.abc import Callable

from gradlog.storage.tracking.base import NoTracker, Tracked, Tracker
from gradlog.storage.tracking.behind import Behind
from gradlog.storage.tracking.ml_flow import MLflow
from gradlog.storage.tracking.tensorboard import TensorBoard
from gradlog.storage.tracking.weights_biases import WandB

TRACKERS: dict[str, Callable[[Tracked], Tracker]] = {
    "mlflow": lambda tracked: Behind("mlflow", lambda: MLflow(tracked), tracked.tell),
    "none": lambda tracked: NoTracker(),
    "tensorboard": TensorBoard,
    "wandb": lambda tracked: Behind("wandb", lambda: WandB(tracked), tracked.tell),
}
# What to install for those that need a package which is not required.
PACKAGES = {"mlflow": "mlflow", "wandb": "wandb"}


def missing_package(tracker: str) -> str:
    """The package that a tracker needs and that is not installed; '' where nothing is missing."""
    package = PACKAGES.get(tracker, "")
    return package if package and importlib.util.find_spec(package) is None else ""


__all__ = ["TRACKERS", "NoTracker", "Tracked", "Tracker", "missing_package"]
