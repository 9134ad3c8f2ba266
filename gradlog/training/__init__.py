"""State, step, device mapping and loop of training."""

from gradlog.training.augmentation import Augmentation, RandomFlip, Unchanged
from gradlog.training.interruption import Interrupted, Interruption, noticed, unwinding
from gradlog.training.loop import Every, NonFiniteError, Plan, Save, train
from gradlog.training.optimizer import SCHEDULES, adam
from gradlog.training.parallel import MAPPINGS, ParallelStep
from gradlog.training.state import NETWORK, ParameterGroup, TrainState, init_state
from gradlog.training.step import TrainStep
from gradlog.training.trainable import Example, ScoreModelTraining, Trainable
from gradlog.training.window import Pending

__all__ = [
    "MAPPINGS",
    "NETWORK",
    "SCHEDULES",
    "Augmentation",
    "Every",
    "Example",
    "Interrupted",
    "Interruption",
    "NonFiniteError",
    "ParallelStep",
    "ParameterGroup",
    "Pending",
    "Plan",
    "RandomFlip",
    "Save",
    "ScoreModelTraining",
    "TrainState",
    "TrainStep",
    "Trainable",
    "Unchanged",
    "adam",
    "init_state",
    "noticed",
    "train",
    "unwinding",
]
