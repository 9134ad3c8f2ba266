"""Drivers over a whole data set or a batch of samples; their files, pictures and tables."""

from evaluation.held_out import HeldOutLoss
from evaluation.likelihood import Evaluation, LikelihoodEvaluator
from evaluation.samples import BATCH_AXES, SampleDriver, Samples
from evaluation.steering import Steering

__all__ = [
    "BATCH_AXES",
    "Evaluation",
    "HeldOutLoss",
    "LikelihoodEvaluator",
    "SampleDriver",
    "Samples",
    "Steering",
]
