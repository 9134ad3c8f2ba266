"""Training: trainables, optimizer, state, step, mapping over devices, and loop."""

from gradlog.training.interruption import (
    Interrupted as Interrupted,
    Interruption as Interruption,
    defer_signals as defer_signals,
    raise_on_signal as raise_on_signal,
)
from gradlog.training.loop import (
    Every as Every,
    NonFiniteError as NonFiniteError,
    Pending as Pending,
    Plan as Plan,
    Save as Save,
    train as train,
)
from gradlog.training.optimizer import (
    SCHEDULES as SCHEDULES,
    adam as adam,
    add_warmup as add_warmup,
)
from gradlog.training.parallel import MAPPINGS as MAPPINGS, ParallelStep as ParallelStep
from gradlog.training.state import (
    NETWORK as NETWORK,
    ParameterGroup as ParameterGroup,
    TrainState as TrainState,
    init_state as init_state,
)
from gradlog.training.step import TrainStep as TrainStep
from gradlog.training.trainable import (
    Augmentation as Augmentation,
    Example as Example,
    RandomFlip as RandomFlip,
    ScoreModelTraining as ScoreModelTraining,
    Trainable as Trainable,
    Unchanged as Unchanged,
)
