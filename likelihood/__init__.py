"""Estimators of log densities, divergences, and the account of bits."""

from collections import ChainMap
from collections.abc import Callable, MutableMapping
from typing import Any

from gradlog.likelihood.base import Likelihood as Likelihood
from gradlog.likelihood.base import LogProb as LogProb
from gradlog.likelihood.base import runs_on_host as runs_on_host
from gradlog.likelihood.bits import Account as Account
from gradlog.likelihood.bits import account as account
from gradlog.likelihood.bits import mean_standard_error as mean_standard_error
from gradlog.likelihood.bound import VariationalBound as VariationalBound
from gradlog.likelihood.bound import make_bound as make_bound
from gradlog.likelihood.bound import make_vlb as make_vlb
from gradlog.likelihood.chain_bound import ChainLikelihood as ChainLikelihood
from gradlog.likelihood.density import LogDensity as LogDensity
from gradlog.likelihood.density import differentiable as differentiable
from gradlog.likelihood.density import log_density_fn as log_density_fn
from gradlog.likelihood.divergences import DIVERGENCES as DIVERGENCES
from gradlog.likelihood.divergences import Divergence as Divergence
from gradlog.likelihood.divergences import Exact as Exact
from gradlog.likelihood.divergences import Gaussian as Gaussian
from gradlog.likelihood.divergences import HutchPP as HutchPP
from gradlog.likelihood.divergences import Orthogonal as Orthogonal
from gradlog.likelihood.divergences import Probing as Probing
from gradlog.likelihood.divergences import Rademacher as Rademacher
from gradlog.likelihood.divergences import Sphere as Sphere
from gradlog.likelihood.exact import make_exact as make_exact
from gradlog.likelihood.level_masked import LevelBound as LevelBound
from gradlog.likelihood.masked import ExactBySubsets as ExactBySubsets
from gradlog.likelihood.masked import JumpBound as JumpBound
from gradlog.likelihood.masked import MaskedBound as MaskedBound
from gradlog.likelihood.masked import Orders as Orders
from gradlog.likelihood.masked import UpperBound as UpperBound
from gradlog.likelihood.mmse import MMSEBound as MMSEBound
from gradlog.likelihood.mmse import make_mmse as make_mmse
from gradlog.likelihood.neural_bound import NeuralLikelihood as NeuralLikelihood
from gradlog.likelihood.ode import ODELikelihood as ODELikelihood
from gradlog.likelihood.parts import Part as Part
from gradlog.likelihood.planned import Planned as Planned
from gradlog.likelihood.quadrature import Quadrature as Quadrature
from gradlog.likelihood.scipy_ode import SciPyLikelihood as SciPyLikelihood
from gradlog.likelihood.start import AsSample as AsSample
from gradlog.likelihood.start import Noised as Noised
from gradlog.likelihood.start import Start as Start
from gradlog.likelihood.stored import AsStored as AsStored
from gradlog.likelihood.stored import ImportanceWeighted as ImportanceWeighted
from gradlog.likelihood.stored import OneDraw as OneDraw
from gradlog.likelihood.stored import StoredLikelihood as StoredLikelihood
from gradlog.likelihood.stored import follow as follow
from gradlog.likelihood.stored import planner as planner
from gradlog.likelihood.stored import tightened as tightened
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
