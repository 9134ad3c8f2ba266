"""The quality of samples: distances between their features and those of data."""

from gradlog.evaluation.quality.compare_features import compare_features
from gradlog.evaluation.quality.feature_sets import QualityError
from gradlog.evaluation.quality.frechet import Frechet, Moments, frechet, frechet_distance, moments
from gradlog.evaluation.quality.kernel import Kernel, kernel_distance, polynomial_mmd
from gradlog.evaluation.quality.neighbors import Neighbors, precision_recall
