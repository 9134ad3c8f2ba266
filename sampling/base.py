"""The contracts of samplers and of the parts of a predictor-corrector sampler."""

from abc import ABC, abstractmethod
from typing import Protocol

import jax
from flax import struct
from jaxtyping import Array, Bool, Float, Int, Num

from gradlog.models import BoundModel
from gradlog.sde_lib import Process

Scalar = Float[Array, ""]
MeanAndStd = tuple[Float[Array, "*D"], Scalar]


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


class Predictor(ABC):
    """One step of a solver of the reverse SDE from t to ``t_next`` < t: a Gaussian transition.

    A subclass defines its mean and its standard deviation.
    """

    @property
    def evaluations(self) -> int:
        """The number of score evaluations of a call."""
        return 1

    @abstractmethod
    def mean_and_std(
        self, model: BoundModel, x: Float[Array, "*D"], t: Scalar, t_next: Scalar
    ) -> MeanAndStd:
        """Return the mean and standard deviation of ``x_{t_next}``, conditional on ``x_t = x``."""

    def __call__(
        self,
        model: BoundModel,
        x: Float[Array, "*D"],
        t: Scalar,
        t_next: Scalar,
        key: jax.Array,
    ) -> Float[Array, "*D"]:
        mean, std = self.mean_and_std(model, x, t, t_next)
        return mean + std * jax.random.normal(key, x.shape)


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
