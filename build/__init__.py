"""The only reader of configurations: from a config to an ``Experiment``."""

from build.experiment import Estimator, Experiment
from build.reader import ConfigError
from build.wiring import build, load_dataset, unread_overrides

__all__ = [
    "ConfigError",
    "Estimator",
    "Experiment",
    "build",
    "load_dataset",
    "unread_overrides",
]
