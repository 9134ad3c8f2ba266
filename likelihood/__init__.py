"""Estimators of log densities, divergences, and the account of bits."""

from collections import ChainMap
from collections.abc import Callable, MutableMapping
from typing import Any

from gradlog.likelihood.base import (
    Likelihood as Likelihood,
    LogProb as LogProb,
    runs_on_host as runs_on_host,
)
from gradlog.likelihood.bits import (
    Account as Account,
    account as account,
    mean_standard_error as mean_standard_error,
)
from gradlog.likelihood.bound import (
    VariationalBound as VariationalBound,
    make_bound as make_bound,
    make_vlb as make_vlb,
)
from gradlog.likelihood.chain_bound import ChainLikelihood as ChainLikelihood
from gradlog.likelihood.density import (
    LogDensity as LogDensity,
    differentiable as differentiable,
    log_density_fn as log_density_fn,
)
from gradlog.likelihood.divergences import (
    DIVERGENCES as DIVERGENCES,
    Divergence as Divergence,
    Exact as Exact,
    Gaussian as Gaussian,
    HutchPP as HutchPP,
    Orthogonal as Orthogonal,
    Probing as Probing,
    Rademacher as Rademacher,
    Sphere as Sphere,
)
from gradlog.likelihood.exact import make_exact as make_exact
from gradlog.likelihood.level_masked import LevelBound as LevelBound
from gradlog.likelihood.masked import (
    ExactBySubsets as ExactBySubsets,
    JumpBound as JumpBound,
    MaskedBound as MaskedBound,
    Orders as Orders,
    UpperBound as UpperBound,
)
from gradlog.likelihood.mmse import MMSEBound as MMSEBound, make_mmse as make_mmse
from gradlog.likelihood.neural_bound import NeuralLikelihood as NeuralLikelihood
from gradlog.likelihood.ode import ODELikelihood as ODELikelihood
from gradlog.likelihood.parts import Part as Part
from gradlog.likelihood.planned import Planned as Planned
from gradlog.likelihood.quadrature import Quadrature as Quadrature
from gradlog.likelihood.scipy_ode import SciPyLikelihood as SciPyLikelihood
from gradlog.likelihood.start import AsSample as AsSample, Noised as Noised, Start as Start
from gradlog.likelihood.stored import (
    AsStored as AsStored,
    ImportanceWeighted as ImportanceWeighted,
    OneDraw as OneDraw,
    StoredLikelihood as StoredLikelihood,
    follow as follow,
    planner as planner,
    tightened as tightened,
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
