"""Drivers over a whole data set or a batch of samples; files, pictures and terminal."""

from evaluation.held_out import HeldOutLoss
from evaluation.likelihood import Evaluation, LikelihoodEvaluator
from evaluation.samples import SampleDriver, Samples

__all__ = ["Evaluation", "HeldOutLoss", "LikelihoodEvaluator", "SampleDriver", "Samples"]
