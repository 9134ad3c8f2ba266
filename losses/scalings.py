"""What the integral that a loss estimates, in nats per dimension, is multiplied by."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.losses.times import TimeProposal
from gradlog.losses.weightings import Weighting
from gradlog.sde_lib import SDE


class Scaling(Protocol):
    """A factor that no example and no time changes, for data of so many dimensions."""

    def __call__(
        self, process: SDE, weighting: Weighting, proposal: TimeProposal, eps: float, dims: int
    ) -> Float[Array, ""] | float: ...


@dataclass(frozen=True)
class Integral:
    """One: the loss is the integral over time."""

    def __call__(
        self, process: SDE, weighting: Weighting, proposal: TimeProposal, eps: float, dims: int
    ) -> float:
        del process, weighting, proposal, eps, dims
        return 1.0


@dataclass(frozen=True)
class ScoreFlow:
    """Makes the loss that of score_flow (Song et al. 2021, arXiv:2101.09258).

    ``mean_i (sigma s + z)_i^2``, times ``g^2/sigma^2`` where times are uniform and the weighting is
    the likelihood's: neither the span of time nor the normalizer Z of the proposal is in it.
    Without ``reduce_mean`` half the sum over dimensions stands for the mean. Right for the
    weightings that score_flow has: ``sigma^2``, and in continuous time the likelihood's. On
    discrete levels it is score_sde's loss of SMLD and of DDPM.
    """

    reduce_mean: bool = True
    # The weightings of the official losses, by levels.
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
        left_out = weighting(process, t) * inverse_density if in_proportion else inverse_density
        return (2.0 if self.reduce_mean else dims) / left_out


SCALINGS: dict[str, type] = {"integral": Integral, "score_flow": ScoreFlow}
