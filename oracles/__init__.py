"""Densities with a known score at every noise level: the truth that everything is held against."""

from oracles.base import Oracle
from oracles.correlated import CorrelatedGaussian
from oracles.empirical import Empirical
from oracles.gaussian import Gaussian, gaussian_entropy
from oracles.mixture import GaussianMixture
from oracles.monte_carlo import Estimate, monte_carlo
from oracles.natural import natural_images
from oracles.stationary import StationaryGaussian

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
