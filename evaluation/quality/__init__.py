"""How good samples are: distances between their features and those of data."""

from evaluation.quality.comparison import Comparison
from evaluation.quality.frechet import Frechet, Moments, frechet, frechet_distance, moments
from evaluation.quality.kernel import Kernel, kernel_distance, polynomial_mmd
from evaluation.quality.neighbours import Neighbours, precision_recall
from evaluation.quality.sets import QualityError

__all__ = [
    "Comparison",
    "Frechet",
    "Kernel",
    "Moments",
    "Neighbours",
    "QualityError",
    "frechet",
    "frechet_distance",
    "kernel_distance",
    "moments",
    "polynomial_mmd",
    "precision_recall",
]
