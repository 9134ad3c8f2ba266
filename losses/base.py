"""The contracts of an objective and of the integrand of score matching."""

from typing import NamedTuple, Protocol

import jax
from jaxtyping import Array, Float, Int, Num

from gradlog.models import BoundModel

Metrics = dict[str, Float[Array, ""]]


class Loss(NamedTuple):
    """The loss of one example, to be minimized, and what is logged beside it."""

    value: Float[Array, ""]
    metrics: Metrics


class Objective(Protocol):
    """The training loss of one example.

    Data come as stored: an objective dequantizes them itself, so that ``log q`` can be a part of
    the loss. All random numbers are functions of the key (`losses.keys.example_keys`), but for u.

    Args of a call:
      model: the process and its score.
      x: an example as stored.
      u: selects the noise level; uniform in [0, 1), stratified over a batch.
      key: of the example.
      condition: the class of the example, for a class-conditional model.
    """

    def __call__(
        self,
        model: BoundModel,
        x: Num[Array, "*D"],
        u: Float[Array, ""],
        key: jax.Array,
        condition: Int[Array, ""] | None = None,
    ) -> Loss: ...


class Integrand(Protocol):
    """The integrand of a score-matching objective for one example at one noise level.

    A call returns an unbiased estimate, over the key, of
    ``sigma^2 / 2 E||s(x_t, t) - grad log p_t||^2`` up to a constant that no parameter changes. Its
    unit is nats, summed over dimensions. The factor ``sigma^2`` keeps it of order d at every t;
    other weightings multiply it. Two members estimate something else and say so: finite differences
    have a bias that vanishes with the step, and second-order denoising adds terms of its own and
    has the same minimizer.
    """

    def __call__(
        self,
        model: BoundModel,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, ""]: ...
