"""Drivers over a whole data set or a batch of samples; files, pictures and terminal.

The names below are imported when they are first used: the terminal alone imports no JAX.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
_HOMES = {
    "BATCH_AXES": "samples",
    "Evaluation": "likelihood",
    "HeldOutLoss": "held_out",
    "LikelihoodEvaluator": "likelihood",
    "SampleDriver": "samples",
    "Samples": "samples",
    "Steering": "steering",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"evaluation.{_HOMES[name]}"), name)
