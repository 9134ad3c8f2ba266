"""Estimators of the trace of a Jacobian by Jacobian-vector products."""

from gradlog.likelihood.divergences.base import (
    Divergence as Divergence,
    sample_variance_of_mean as sample_variance_of_mean,
)
from gradlog.likelihood.divergences.coloring import Orthogonal as Orthogonal, Probing as Probing
from gradlog.likelihood.divergences.exact import Exact as Exact
from gradlog.likelihood.divergences.hutchinson import (
    Gaussian as Gaussian,
    Rademacher as Rademacher,
    Sphere as Sphere,
)
from gradlog.likelihood.divergences.hutchpp import HutchPP as HutchPP

DIVERGENCES: dict[str, type] = {
    "exact": Exact,
    "gaussian": Gaussian,
    "hutchpp": HutchPP,
    "orthogonal": Orthogonal,
    "probing": Probing,
    "rademacher": Rademacher,
    "sphere": Sphere,
}
