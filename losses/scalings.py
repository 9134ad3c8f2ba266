"""Constant factors of a loss, which otherwise estimates an integral in nats per dimension."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.losses.times import TimeProposal
from gradlog.losses.weightings import Weighting
from gradlog.sde_lib import SDE


class Scaling(Protocol):
    """A factor for data of ``dims`` dimensions that depends on no example and no time."""

    def __call__(
        self, process: SDE, weighting: Weighting, proposal: TimeProposal, eps: float, dims: int
    ) -> Float[Array, ""] | float: ...


@dataclass(frozen=True)
class Integral:
    """The factor one: the loss is the integral over time."""

    def __call__(
        self, process: SDE, weighting: Weighting, proposal: TimeProposal, eps: float, dims: int
    ) -> float:
        del process, weighting, proposal, eps, dims
        return 1.0


@dataclass(frozen=True)
class ScoreFlow:
    """The factor that turns the loss into that of score_flow (Song et al. 2021, arXiv:2101.09258).

    That loss is ``mean_i (sigma s + z)_i^2``, times ``g^2/sigma^2`` for uniform times and the
    likelihood weighting. It contains neither the span of time nor the normalizer Z of the proposal.
    Without ``reduce_mean`` it is half the sum over dimensions instead of the mean. The factor is
    right for score_flow's weightings: ``sigma^2``, and in continuous time the likelihood weighting.
    On discrete levels it gives score_sde's losses of SMLD and DDPM.
    """

    reduce_mean: bool = True
    # The weightings of the official losses, by the kind of levels.
    WEIGHTINGS: ClassVar = {
        "continuous": ("likelihood", "sigma2"),
        "ladder": ("sigma2",),
        "steps": ("sigma2",),
    }

    def __call__(
        self, process: SDE, weighting: Weighting, proposal: TimeProposal, eps: float, dims: int
    ) -> Float[Array, ""]:
        t, inverse_density = proposal(process, eps, jnp.asarray(0.5))
        in_proportion = type(proposal) is type(weighting.importance_proposal())
        excess = weighting(process, t) * inverse_density if in_proportion else inverse_density
        return (2.0 if self.reduce_mean else dims) / excess


SCALINGS: dict[str, type] = {"integral": Integral, "score_flow": ScoreFlow}
