"""State, step, device mapping and loop of training."""

from training.augmentation import Augmentation, RandomFlip, Unchanged
from training.interruption import Interrupted, Interruption, noticed, unwinding
from training.loop import Every, NonFiniteError, Plan, Save, train
from training.optimizer import SCHEDULES, adam
from training.parallel import MAPPINGS, ParallelStep
from training.state import TrainState, init_state
from training.step import TrainStep
from training.window import Pending

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
