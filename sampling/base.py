"""The contracts of samplers and of the parts of a predictor-corrector sampler."""

from typing import Protocol

import jax
from flax import struct
from jaxtyping import Array, Bool, Float, Int, Num

from gradlog.models import BoundModel
from gradlog.sde_lib import Process

Scalar = Float[Array, ""]


@struct.dataclass
class Density:
    """The log density of a sample at time eps in nats, per unit of the model's space.

    Attributes:
      nats: the log density under the probability flow.
      standard_error: by the random products that estimate the divergence.
      discretization: the change of ``nats`` by the last refinement; larger than what remains.
    """

    nats: Float[Array, ""]
    standard_error: Float[Array, ""]
    discretization: Float[Array, ""]


@struct.dataclass
class Sample:
    """One sample at time eps, its number of score evaluations, and whether it succeeded.

    ``density`` is None unless the sampler is asked for it by ``log_prob``. ``path`` are states from
    first to last, None unless the sampler is asked for ``frames``.
    """

    x: Num[Array, "*D"]
    nfe: Int[Array, ""]
    ok: Bool[Array, ""]
    density: Density | None = None
    path: Num[Array, "frames *D"] | None = None


class Sampler(Protocol):
    """A sampler turns a prior sample z into a data sample, one example at a time.

    ``accepts`` names the class of the processes that the sampler can reverse.
    """

    @property
    def accepts(self) -> type[Process]: ...

    @property
    def evaluations(self) -> int | None:
        """The number of score evaluations of a sample; None if it is not known beforehand."""
        ...

    def __call__(self, model: BoundModel, z: Float[Array, "*D"], key: jax.Array) -> Sample: ...


class Predictor(Protocol):
    """One step of a solver of the reverse SDE from t to ``t_next`` < t: a Gaussian transition."""

    @property
    def evaluations(self) -> int:
        """The number of score evaluations of a call."""
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
        """Return the mean and standard deviation of x at ``t_next``, conditional on x at t."""
        ...


class Corrector(Protocol):
    """Steps that leave p_t invariant. The next predictor step goes from t to ``t_next``."""

    @property
    def evaluations(self) -> int:
        """The number of score evaluations of a call."""
        ...

    def __call__(
        self,
        model: BoundModel,
        x: Float[Array, "*D"],
        t: Scalar,
        t_next: Scalar,
        key: jax.Array,
    ) -> Float[Array, "*D"]: ...
