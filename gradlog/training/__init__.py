"""Training: trainables, optimizer, state, step, mapping over devices, and loop."""

from gradlog.training.interruption import Interrupted as Interrupted
from gradlog.training.interruption import Interruption as Interruption
from gradlog.training.interruption import defer_signals as defer_signals
from gradlog.training.interruption import raise_on_signal as raise_on_signal
from gradlog.training.loop import Every as Every
from gradlog.training.loop import NonFiniteError as NonFiniteError
from gradlog.training.loop import Pending as Pending
from gradlog.training.loop import Plan as Plan
from gradlog.training.loop import Save as Save
from gradlog.training.loop import train as train
from gradlog.training.optimizer import SCHEDULES as SCHEDULES
from gradlog.training.optimizer import adam as adam
from gradlog.training.optimizer import add_warmup as add_warmup
from gradlog.training.parallel import MAPPINGS as MAPPINGS
from gradlog.training.parallel import ParallelStep as ParallelStep
from gradlog.training.state import NETWORK as NETWORK
from gradlog.training.state import ParameterGroup as ParameterGroup
from gradlog.training.state import TrainState as TrainState
from gradlog.training.state import init_state as init_state
from gradlog.training.step import TrainStep as TrainStep
from gradlog.training.trainable import Augmentation as Augmentation
from gradlog.training.trainable import Example as Example
from gradlog.training.trainable import RandomFlip as RandomFlip
from gradlog.training.trainable import ScoreModelTraining as ScoreModelTraining
from gradlog.training.trainable import Trainable as Trainable
from gradlog.training.trainable import Unchanged as Unchanged
