"""Features of data and samples, by which sets of them are compared."""

from gradlog.evaluation.features.base import Features, Progress
from gradlog.evaluation.features.inception import CONVENTIONS, InceptionFeatures, read_weights
from gradlog.evaluation.features.plain import Learned, Pixels

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
