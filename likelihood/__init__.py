"""Estimators of log densities, divergences, dequantisation and the account of bits."""

from likelihood.base import Likelihood, LogProb
from likelihood.bits import Account, account, mean_standard_error
from likelihood.bound import VariationalBound
from likelihood.dequantisation import Continuous, Dequantisation, Uniform
from likelihood.divergence import Divergence, Exact, Gaussian, Rademacher
from likelihood.ode import ODELikelihood
from likelihood.start import AsSample, Noised, Start
from likelihood.stored import OneDraw, StoredLikelihood

DIVERGENCES: dict[str, type] = {"exact": Exact, "gaussian": Gaussian, "rademacher": Rademacher}
LIKELIHOODS: dict[str, type] = {"bound": VariationalBound, "ode": ODELikelihood}

STARTS: dict[str, type] = {"as_sample": AsSample, "noised": Noised}

__all__ = [
    "DIVERGENCES",
    "LIKELIHOODS",
    "STARTS",
    "Account",
    "AsSample",
    "Continuous",
    "Dequantisation",
    "Divergence",
    "Exact",
    "Gaussian",
    "Likelihood",
    "LogProb",
    "Noised",
    "ODELikelihood",
    "OneDraw",
    "Rademacher",
    "Start",
    "StoredLikelihood",
    "Uniform",
    "VariationalBound",
    "account",
    "mean_standard_error",
]
