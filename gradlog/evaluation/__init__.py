"""Drivers over a whole data set or a batch of samples; their files, pictures and tables."""

from gradlog.evaluation.held_out import HeldOutLoss
from gradlog.evaluation.likelihood import Evaluation, LikelihoodEvaluator
from gradlog.evaluation.samples import BATCH_AXES, SampleDriver, Samples
from gradlog.evaluation.steering import Steering

__all__ = [
    "BATCH_AXES",
    "Evaluation",
    "HeldOutLoss",
    "LikelihoodEvaluator",
    "SampleDriver",
    "Samples",
    "Steering",
]
