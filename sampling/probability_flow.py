"""Sampling by the probability-flow ODE."""

from dataclasses import dataclass
from typing import ClassVar

import jax
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.ode import Flow, Solver
from gradlog.sampling.base import Sample
from gradlog.sampling.denoising import posterior_mean
from gradlog.sampling.encoding import Encoding
from gradlog.sde_lib import SDE, Process


@dataclass(frozen=True)
class ProbabilityFlow:
    """Solves the flow from t_max to eps (Song et al. 2021, section 4.3): z decides the sample.

    With ``denoise`` the end is replaced by the posterior mean at eps.
    """

    accepts: ClassVar[type[Process]] = SDE

    solver: Solver
    flow: Flow
    eps: float
    denoise: bool = True

    @property
    def evaluations(self) -> None:
        """Each sample takes as many as its own steps need."""

    def __call__(self, model: BoundModel, z: Float[Array, "*D"], key: jax.Array) -> Sample:
        del key
        end = Encoding(self.solver, self.flow, self.eps).decode(model, z)
        if not self.denoise:
            return end
        x = posterior_mean(model, end.x, self.eps)
        return Sample(x, end.nfe + 1, end.ok)
