"""The only reader of configurations: from a config to an ``Experiment``."""

from build.experiment import Estimator, Experiment
from build.reader import ConfigError
from build.wiring import build, check_config, load_dataset, notes, unread_overrides

__all__ = [
    "ConfigError",
    "Estimator",
    "Experiment",
    "build",
    "check_config",
    "load_dataset",
    "notes",
    "unread_overrides",
]
