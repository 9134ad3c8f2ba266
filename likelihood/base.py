"""The contract of a likelihood estimator."""

from collections.abc import Callable
from typing import Any, Protocol

import jax
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from sde_lib import SDE

ScoreFn = Callable[[Any, Any], Any]
PriorLogProb = Callable[[Float[Array, "*D"]], Float[Array, ""]]


@struct.dataclass
class LogProb:
    """What every estimator returns, one entry per example.

    ``nats`` is the estimate of (or bound on) ``log p_eps(x)`` in the model's data space: the sum of
    ``parts``. ``standard_error`` is that of the estimator's own randomness, in nats; NaN where a
    single draw gives none. ``latent`` is the end of the path at t_max, where there is one. ``nfe``
    counts evaluations of the score, ``ok`` is false where a solver failed.
    """

    nats: Float[Array, " batch"]
    standard_error: Float[Array, " batch"]
    parts: dict[str, Float[Array, " batch"]]
    latent: Float[Array, "batch *D"]
    nfe: Int[Array, " batch"]
    ok: Bool[Array, " batch"]


class Likelihood(Protocol):
    """Estimates the log density of a batch; the keys belong to the examples, one each."""

    def __call__(
        self,
        sde: SDE,
        score_fn: ScoreFn,
        xs: Float[Array, "batch *D"],
        keys: jax.Array,
    ) -> LogProb: ...
