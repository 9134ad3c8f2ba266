"""Densities with a known score at every noise level: the truth that everything is held against."""

from oracles.base import Oracle
from oracles.gaussian import Gaussian
from oracles.mixture import GaussianMixture
from oracles.stationary import StationaryGaussian, natural_images

__all__ = ["Gaussian", "GaussianMixture", "Oracle", "StationaryGaussian", "natural_images"]
