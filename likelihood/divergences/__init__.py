"""Estimators of the trace of a Jacobian, by forward-mode products."""

from likelihood.divergences.base import Divergence, sample_variance_of_mean
from likelihood.divergences.exact import Exact
from likelihood.divergences.gaussian import Gaussian
from likelihood.divergences.hutchpp import HutchPP
from likelihood.divergences.orthogonal import Orthogonal
from likelihood.divergences.probing import Probing
from likelihood.divergences.rademacher import Rademacher
from likelihood.divergences.sphere import Sphere

DIVERGENCES: dict[str, type] = {
    "exact": Exact,
    "gaussian": Gaussian,
    "hutchpp": HutchPP,
    "orthogonal": Orthogonal,
    "probing": Probing,
    "rademacher": Rademacher,
    "sphere": Sphere,
}

__all__ = [
    "DIVERGENCES",
    "Divergence",
    "Exact",
    "Gaussian",
    "HutchPP",
    "Orthogonal",
    "Probing",
    "Rademacher",
    "Sphere",
    "sample_variance_of_mean",
]
