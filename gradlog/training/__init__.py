"""Training: trainables, optimizer, state, step, mapping over devices, and loop."""

from gradlog.training.interruption import Interrupted, Interruption, defer_signals, raise_on_signal
from gradlog.training.loop import Every, NonFiniteError, Pending, Plan, Save, train
from gradlog.training.optimizer import SCHEDULES, adam, add_warmup
from gradlog.training.parallel import MAPPINGS, ParallelStep
from gradlog.training.state import NETWORK, ParameterGroup, TrainState, init_state
from gradlog.training.step import TrainStep
from gradlog.training.trainable import (
    Augmentation,
    Example,
    RandomFlip,
    ScoreModelTraining,
    Trainable,
    Unchanged,
)

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
    "add_warmup",
    "defer_signals",
    "init_state",
    "raise_on_signal",
    "train",
]
