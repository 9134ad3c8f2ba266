"""Estimators of log densities, divergences, dequantisation and the account of bits."""

from likelihood.base import Likelihood, LogProb
from likelihood.bits import Account, account, mean_standard_error
from likelihood.bound import VariationalBound
from likelihood.dequantisation import Continuous, Dequantisation, Uniform
from likelihood.divergence import Divergence, Exact, Gaussian, Rademacher
from likelihood.ode import ODELikelihood

DIVERGENCES: dict[str, type] = {"exact": Exact, "gaussian": Gaussian, "rademacher": Rademacher}
LIKELIHOODS: dict[str, type] = {"bound": VariationalBound, "ode": ODELikelihood}

__all__ = [
    "DIVERGENCES",
    "LIKELIHOODS",
    "Account",
    "Continuous",
    "Dequantisation",
    "Divergence",
    "Exact",
    "Gaussian",
    "Likelihood",
    "LogProb",
    "ODELikelihood",
    "Rademacher",
    "Uniform",
    "VariationalBound",
    "account",
    "mean_standard_error",
]
