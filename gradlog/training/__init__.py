"""State, step, device mapping and loop of training."""

from gradlog.training.augmentation import Augmentation, RandomFlip, Unchanged
from gradlog.training.interruption import Interrupted, Interruption, noticed, unwinding
from gradlog.training.loop import Every, NonFiniteError, Plan, Save, train
from gradlog.training.optimizer import SCHEDULES, adam
from gradlog.training.parallel import MAPPINGS, ParallelStep
from gradlog.training.state import TrainState, init_state
from gradlog.training.step import TrainStep
from gradlog.training.window import Pending

__all__ = [
    "MAPPINGS",
    "SCHEDULES",
    "Augmentation",
    "Every",
    "Interrupted",
    "Interruption",
    "NonFiniteError",
    "ParallelStep",
    "Pending",
    "Plan",
    "RandomFlip",
    "Save",
    "TrainState",
    "TrainStep",
    "Unchanged",
    "adam",
    "init_state",
    "noticed",
    "train",
    "unwinding",
]
