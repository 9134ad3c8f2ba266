"""The contracts of objectives and of integrands, and the noisy point that integrands share."""

from typing import NamedTuple, Protocol

import jax
from jaxtyping import Array, Float, Int, Num

from gradlog.models import BoundModel
from gradlog.sde_lib import SDE

Metrics = dict[str, Float[Array, ""]]


class Loss(NamedTuple):
    """The loss of one example, which training minimizes, and further metrics for the log."""

    value: Float[Array, ""]
    metrics: Metrics


class Objective(Protocol):
    """The training loss of one example.

    An objective receives data as stored and dequantizes them itself, so that ``log q`` can be a
    part of the loss. All its random numbers except u are functions of the key
    (`losses.random_keys.example_keys`).

    Args of a call:
      model: the process and its score.
      x: an example as stored.
      u: selects the noise level; uniform in [0, 1), stratified over a batch.
      key: the key of the example.
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
    """The integrand of a score-matching objective, for one example at one noise level.

    A call returns an unbiased estimate, over the key, of ``sigma^2 / 2 E||s(x_t, t) - grad log
    p_t||^2`` plus a constant that does not depend on the parameters. Its unit is nats, summed over
    dimensions. With the factor ``sigma^2`` it is of order d at every t; a weighting multiplies it.
    Two integrands estimate something else. Finite differences have a bias that vanishes with the
    step. Second-order denoising adds terms of its own and has the same minimizer.
    """

    def __call__(
        self,
        model: BoundModel,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, ""]: ...


def add_noise(
    process: SDE, x0: Float[Array, "*D"], t: Float[Array, ""], key: jax.Array
) -> tuple[Float[Array, "*D"], Float[Array, "*D"]]:
    """Return ``x_t = alpha x0 + sigma z`` and the standard normal z that was drawn for it."""
    z = jax.random.normal(key, x0.shape)
    return process.perturb(x0, t, z), z
