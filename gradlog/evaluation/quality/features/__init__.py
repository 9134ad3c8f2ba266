"""Features of data and samples, by which sets of them are compared."""

from gradlog.evaluation.quality.features.base import Features, Learned, Pixels
from gradlog.evaluation.quality.features.inception import (
    CONVENTIONS,
    InceptionFeatures,
    read_weights,
)

FEATURES = {"pixels": Pixels, "inception": InceptionFeatures, "classifier": Learned}
