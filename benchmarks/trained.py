"""Load the trained model of a benchmark, or train it if there is none."""

from pathlib import Path
from typing import Any

from gradlog.experiment.loading import load_config
from gradlog.experiment.run import Run


def load_or_train(file: str, workdir: str, overrides: dict[str, Any]) -> Run:
    """Return the run of a config in a workdir; ``overrides`` are settings of its evaluation."""
    config = load_config(file)
    if not Path(workdir, "checkpoints").is_dir():
        Run.open(workdir, config).train()
    config.update_from_flattened_dict(overrides)
    return Run.open(workdir, config)
