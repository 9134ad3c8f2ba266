"""The metrics of a run at Weights & Biases."""

import math
import os
from collections.abc import Mapping
from typing import Any

from gradlog.storage.tracking.base import Tracked

PROJECT = "gradlog"


class WandB:
    """A run of W&B with the run's own name as its id, so that it goes on as the same.

    Project, entity, name and mode are those of ``WANDB_PROJECT``, ``WANDB_ENTITY``, ``WANDB_NAME``
    and ``WANDB_MODE``. W&B's steps only rise: what a run that was interrupted has sent of later
    steps stays, and training, which gives the same numbers again, sends what comes after.
    """

    def __init__(self, tracked: Tracked):
        import wandb  # pyright: ignore[reportMissingImports]

        self._run: Any = wandb.init(
            id=tracked.run or None,
            resume="allow",
            dir=str(tracked.folder),
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=os.environ.get("WANDB_NAME", tracked.folder.name),
            config=dict(tracked.config),
            # The terminal is the run's own; its output is not captured.
            settings=wandb.Settings(console="off", silent=True),
        )
        if not self._run.offline:
            tracked.tell(f"tracked at {self._run.url}")

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Sends what is finite."""
        if step >= self._run.step:
            finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
            self._run.log(finite, step=step)

    def close(self) -> None:
        """Waits until all is sent."""
        self._run.finish()
