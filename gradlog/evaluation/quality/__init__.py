"""How good samples are: distances between their features and those of data."""

from gradlog.evaluation.quality.comparison import Comparison
from gradlog.evaluation.quality.frechet import Frechet, Moments, frechet, frechet_distance, moments
from gradlog.evaluation.quality.kernel import Kernel, kernel_distance, polynomial_mmd
from gradlog.evaluation.quality.neighbors import Neighbors, precision_recall
from gradlog.evaluation.quality.sets import QualityError

__all__ = [
    "Comparison",
    "Frechet",
    "Kernel",
    "Moments",
    "Neighbors",
    "QualityError",
    "frechet",
    "frechet_distance",
    "kernel_distance",
    "moments",
    "polynomial_mmd",
    "precision_recall",
]
