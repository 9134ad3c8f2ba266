"""Densities with a known score at every noise level: the truth that everything is held against."""

from gradlog.distributions.base import Oracle
from gradlog.distributions.correlated import CorrelatedGaussian
from gradlog.distributions.empirical import Empirical
from gradlog.distributions.gaussian import Gaussian, gaussian_entropy
from gradlog.distributions.mixture import GaussianMixture
from gradlog.distributions.monte_carlo import Estimate, monte_carlo
from gradlog.distributions.natural import natural_images
from gradlog.distributions.stationary import StationaryGaussian

__all__ = [
    "CorrelatedGaussian",
    "Empirical",
    "Estimate",
    "Gaussian",
    "GaussianMixture",
    "Oracle",
    "StationaryGaussian",
    "gaussian_entropy",
    "monte_carlo",
    "natural_images",
]
