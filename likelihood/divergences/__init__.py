"""Estimators of the trace of a Jacobian, by forward-mode products."""

from gradlog.likelihood.divergences.base import Divergence, sample_variance_of_mean
from gradlog.likelihood.divergences.exact import Exact
from gradlog.likelihood.divergences.gaussian import Gaussian
from gradlog.likelihood.divergences.hutchpp import HutchPP
from gradlog.likelihood.divergences.orthogonal import Orthogonal
from gradlog.likelihood.divergences.probing import Probing
from gradlog.likelihood.divergences.rademacher import Rademacher
from gradlog.likelihood.divergences.sphere import Sphere

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
