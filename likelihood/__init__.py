"""Estimators of log densities, divergences, and the account of bits."""

from collections import ChainMap
from collections.abc import Callable, MutableMapping
from typing import Any

from gradlog.likelihood.base import Likelihood, LogProb, runs_on_host
from gradlog.likelihood.bits import Account, account, mean_standard_error
from gradlog.likelihood.bound import VariationalBound, make_bound, make_vlb
from gradlog.likelihood.chain_bound import ChainLikelihood
from gradlog.likelihood.density import LogDensity, differentiable, log_density_fn
from gradlog.likelihood.divergences import (
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
from gradlog.likelihood.exact import make_exact
from gradlog.likelihood.level_masked import LevelBound
from gradlog.likelihood.masked import (
    ExactBySubsets,
    JumpBound,
    MaskedBound,
    Orders,
    UpperBound,
)
from gradlog.likelihood.mmse import MMSEBound, make_mmse
from gradlog.likelihood.neural_bound import NeuralLikelihood
from gradlog.likelihood.ode import ODELikelihood
from gradlog.likelihood.parts import Part
from gradlog.likelihood.planned import Planned
from gradlog.likelihood.quadrature import Quadrature
from gradlog.likelihood.scipy_ode import SciPyLikelihood
from gradlog.likelihood.start import AsSample, Noised, Start
from gradlog.likelihood.stored import (
    AsStored,
    ImportanceWeighted,
    OneDraw,
    StoredLikelihood,
    follow,
    planner,
    tightened,
)
from gradlog.sde_lib import Kind

LIKELIHOODS: dict[str, Callable[..., Likelihood]] = {
    "bound": make_bound,
    "exact": make_exact,
    "mmse": make_mmse,
    "ode": ODELikelihood,
    "planned": Planned,
    "quadrature": Quadrature,
    "scipy": SciPyLikelihood,
    "vlb": make_vlb,
}

# `importance` weighs draws of another estimator of a Gaussian process.
ESTIMATORS: dict[Kind, MutableMapping[str, Callable[..., Any]]] = {
    "gaussian": ChainMap(LIKELIHOODS, {"importance": ImportanceWeighted}),
    "masks": {
        "bound": MaskedBound,
        "exact": ExactBySubsets,
        "orders": Orders,
        "upper": UpperBound,
    },
    "level_masks": {"bound": LevelBound},
    "replacements": {"bound": JumpBound},
    "neural": {"bound": NeuralLikelihood},
    "chain": {"bound": ChainLikelihood},
}

STARTS: dict[str, type] = {"as_sample": AsSample, "noised": Noised}

__all__ = [
    "DIVERGENCES",
    "ESTIMATORS",
    "LIKELIHOODS",
    "STARTS",
    "Account",
    "AsSample",
    "AsStored",
    "ChainLikelihood",
    "Divergence",
    "Exact",
    "ExactBySubsets",
    "Gaussian",
    "HutchPP",
    "ImportanceWeighted",
    "JumpBound",
    "LevelBound",
    "Likelihood",
    "LogDensity",
    "LogProb",
    "MMSEBound",
    "MaskedBound",
    "NeuralLikelihood",
    "Noised",
    "ODELikelihood",
    "OneDraw",
    "Orders",
    "Orthogonal",
    "Part",
    "Planned",
    "Probing",
    "Quadrature",
    "Rademacher",
    "SciPyLikelihood",
    "Sphere",
    "Start",
    "StoredLikelihood",
    "UpperBound",
    "VariationalBound",
    "account",
    "differentiable",
    "follow",
    "log_density_fn",
    "make_bound",
    "make_exact",
    "make_mmse",
    "make_vlb",
    "mean_standard_error",
    "planner",
    "runs_on_host",
    "tightened",
]
