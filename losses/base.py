"""The contract of an objective."""

from collections.abc import Callable
from typing import Any, Protocol

import jax
from jaxtyping import Array, Float

from gradlog.sde_lib import SDE

ScoreFn = Callable[[Any, Any], Any]


class Objective(Protocol):
    """The integrand of a score-matching loss for one example at one noise level.

    Returns an unbiased estimate, over the key, of ``sigma^2 / 2 E||s(x_t, t) - grad log p_t||^2``
    up to a constant that no parameter changes: in nats, summed over dimensions, weighted by
    ``sigma^2`` so that it stays of order d at every t. Other weightings multiply it. Two members
    are not that estimate, and say what they are instead: finite differences have a bias that
    vanishes with the step, second-order denoising has terms of its own and the same minimizer.
    """

    def __call__(
        self,
        sde: SDE,
        score_fn: ScoreFn,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, ""]: ...
