"""Load the trained model of a benchmark, or train it if there is none."""

from pathlib import Path
from typing import Any

from gradlog.experiment.loading import load_config, load_saved_config
from gradlog.experiment.run import Run


def load_or_train(file: str, workdir: str, overrides: dict[str, Any]) -> Run:
    """Return the run in a workdir; ``overrides`` are settings of its evaluation.

    A workdir without a model gets one, trained by the config in ``file``.
    """
    if not Path(workdir, "checkpoints").is_dir():
        Run.open(workdir, load_config(file)).train()
    config = load_saved_config(Path(workdir, "config.json"))
    config.update_from_flattened_dict(overrides)
    return Run.open(workdir, config)
