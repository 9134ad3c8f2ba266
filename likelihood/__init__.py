"""Estimators of log densities, divergences, dequantisation and the account of bits."""

from collections.abc import Callable

from likelihood.base import Likelihood, LogProb, runs_on_host
from likelihood.bits import Account, account, mean_standard_error
from likelihood.bound import VariationalBound, make_bound, make_vlb
from likelihood.density import LogDensity, differentiable, log_density_fn
from likelihood.dequantisation import Continuous, Dequantisation, TruncatedNormal, Uniform
from likelihood.divergences import (
    DIVERGENCES,
    Divergence,
    Exact,
    Gaussian,
    HutchPP,
    Orthogonal,
    Probing,
    Rademacher,
    Sphere,
)
from likelihood.exact import make_exact
from likelihood.ode import ODELikelihood
from likelihood.points import Centres, Scaled
from likelihood.quadrature import Quadrature
from likelihood.scipy_ode import SciPyLikelihood
from likelihood.start import AsSample, Noised, Start
from likelihood.stored import ImportanceWeighted, OneDraw, StoredLikelihood, tightened

DEQUANTISATIONS: dict[str, type] = {"truncated_normal": TruncatedNormal, "uniform": Uniform}
# What a network may be trained on.
TRAINING_POINTS: dict[str, type] = {"centres": Centres, "scaled": Scaled, "uniform": Uniform}
LIKELIHOODS: dict[str, Callable[..., Likelihood]] = {
    "bound": make_bound,
    "exact": make_exact,
    "ode": ODELikelihood,
    "quadrature": Quadrature,
    "scipy": SciPyLikelihood,
    "vlb": make_vlb,
}

STARTS: dict[str, type] = {"as_sample": AsSample, "noised": Noised}

__all__ = [
    "DEQUANTISATIONS",
    "DIVERGENCES",
    "LIKELIHOODS",
    "STARTS",
    "TRAINING_POINTS",
    "Account",
    "AsSample",
    "Centres",
    "Continuous",
    "Dequantisation",
    "Divergence",
    "Exact",
    "Gaussian",
    "HutchPP",
    "ImportanceWeighted",
    "Likelihood",
    "LogDensity",
    "LogProb",
    "Noised",
    "ODELikelihood",
    "OneDraw",
    "Orthogonal",
    "Probing",
    "Quadrature",
    "Rademacher",
    "Scaled",
    "SciPyLikelihood",
    "Sphere",
    "Start",
    "StoredLikelihood",
    "TruncatedNormal",
    "Uniform",
    "VariationalBound",
    "account",
    "differentiable",
    "log_density_fn",
    "make_bound",
    "make_exact",
    "make_vlb",
    "mean_standard_error",
    "runs_on_host",
    "tightened",
]
