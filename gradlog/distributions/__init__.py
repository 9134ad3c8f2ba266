"""Distributions with a known score at every noise level: exact references for all estimators."""

from gradlog.distributions.distribution import (
    Distribution as Distribution,
    Estimate as Estimate,
    monte_carlo as monte_carlo,
)
from gradlog.distributions.empirical import Empirical as Empirical
from gradlog.distributions.gaussian import (
    CorrelatedGaussian as CorrelatedGaussian,
    Gaussian as Gaussian,
    gaussian_entropy as gaussian_entropy,
)
from gradlog.distributions.markov import MarkovChain as MarkovChain
from gradlog.distributions.mixture import GaussianMixture as GaussianMixture
from gradlog.distributions.stationary import (
    StationaryGaussian as StationaryGaussian,
    natural_images as natural_images,
)
from gradlog.distributions.uniform import UniformInterval as UniformInterval
