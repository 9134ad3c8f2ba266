"""The contracts of samplers and of the parts of a predictor-corrector sampler."""

from typing import ClassVar, Protocol

import jax
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from gradlog.models import BoundModel
from gradlog.sde_lib import Process

Scalar = Float[Array, ""]


@struct.dataclass
class Sample:
    """One sample at time eps, how many evaluations of the score it took, whether it got there."""

    x: Float[Array, "*D"]
    nfe: Int[Array, ""]
    ok: Bool[Array, ""]


class Sampler(Protocol):
    """Carries a draw z of the prior to a sample, one example at a time.

    ``accepts`` names the class of the processes that the sampler can reverse.
    """

    accepts: ClassVar[type[Process]]

    @property
    def evaluations(self) -> int | None:
        """Evaluations of the score that a sample takes; None if that is not known beforehand."""
        ...

    def __call__(self, model: BoundModel, z: Float[Array, "*D"], key: jax.Array) -> Sample: ...


class Predictor(Protocol):
    """One step of a solver of the reverse SDE from t to ``t_next`` < t: a Gaussian transition."""

    @property
    def evaluations(self) -> int:
        """Evaluations of the score per call."""
        ...

    def __call__(
        self,
        model: BoundModel,
        x: Float[Array, "*D"],
        t: Scalar,
        t_next: Scalar,
        key: jax.Array,
    ) -> Float[Array, "*D"]: ...

    def mean_and_std(
        self, model: BoundModel, x: Float[Array, "*D"], t: Scalar, t_next: Scalar
    ) -> tuple[Float[Array, "*D"], Scalar]:
        """Of x at ``t_next``, given x at t."""
        ...


class Corrector(Protocol):
    """Steps that leave p_t invariant; the predictor will go from t to ``t_next``."""

    @property
    def evaluations(self) -> int:
        """Evaluations of the score per call."""
        ...

    def __call__(
        self,
        model: BoundModel,
        x: Float[Array, "*D"],
        t: Scalar,
        t_next: Scalar,
        key: jax.Array,
    ) -> Float[Array, "*D"]: ...
