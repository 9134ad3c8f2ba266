"""State, step, device mapping and loop of training."""

from training.augmentation import Augmentation, RandomFlip, Unchanged
from training.loop import Every, NonFiniteError, train
from training.optimizer import SCHEDULES, adam
from training.parallel import MAPPINGS, ParallelStep, replicate
from training.state import TrainState, init_state
from training.step import TrainStep

__all__ = [
    "MAPPINGS",
    "SCHEDULES",
    "Augmentation",
    "Every",
    "NonFiniteError",
    "ParallelStep",
    "RandomFlip",
    "TrainState",
    "TrainStep",
    "Unchanged",
    "adam",
    "init_state",
    "replicate",
    "train",
]
