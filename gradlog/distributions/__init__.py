"""Distributions with a known score at every noise level: exact references for all estimators."""

from gradlog.distributions.distribution import Distribution, Estimate, monte_carlo
from gradlog.distributions.empirical import Empirical
from gradlog.distributions.gaussian import CorrelatedGaussian, Gaussian, gaussian_entropy
from gradlog.distributions.markov import MarkovChain
from gradlog.distributions.mixture import GaussianMixture
from gradlog.distributions.stationary import StationaryGaussian, natural_images
from gradlog.distributions.uniform import UniformInterval

__all__ = [
    "CorrelatedGaussian",
    "Distribution",
    "Empirical",
    "Estimate",
    "Gaussian",
    "GaussianMixture",
    "MarkovChain",
    "StationaryGaussian",
    "UniformInterval",
    "gaussian_entropy",
    "monte_carlo",
    "natural_images",
]
