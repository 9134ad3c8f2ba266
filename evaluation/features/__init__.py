"""Features of data and samples, by which sets of them are compared."""

from evaluation.features.base import Features, Progress
from evaluation.features.inception import CONVENTIONS, InceptionFeatures, read_weights
from evaluation.features.plain import Learned, Pixels

FEATURES = {"pixels": Pixels, "inception": InceptionFeatures, "classifier": Learned}

__all__ = [
    "CONVENTIONS",
    "FEATURES",
    "Features",
    "InceptionFeatures",
    "Learned",
    "Pixels",
    "Progress",
    "read_weights",
]
