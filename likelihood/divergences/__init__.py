"""Estimators of the trace of a Jacobian by Jacobian-vector products."""

from gradlog.likelihood.divergences.base import Divergence, sample_variance_of_mean
from gradlog.likelihood.divergences.coloring import Orthogonal, Probing
from gradlog.likelihood.divergences.exact import Exact
from gradlog.likelihood.divergences.hutchinson import Gaussian, Rademacher, Sphere
from gradlog.likelihood.divergences.hutchpp import HutchPP

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
