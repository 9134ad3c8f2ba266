"""What a training run is at one step."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Int


@struct.dataclass
class TrainState:
    """Parameters, their exponential moving average, the optimizer's state; ``step`` batches done.

    Of these ``skipped`` were left out, because their loss or gradient was not finite. Nothing else
    is needed to go on: data and randomness are functions of the step.
    """

    step: Int[Array, ""]
    params: Any
    ema_params: Any
    opt_state: optax.OptState
    skipped: Int[Array, ""]


def init_state(params: Any, optimizer: optax.GradientTransformation) -> TrainState:
    """The state before the first step; the average starts at the parameters."""
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        ema_params=jax.tree.map(jnp.copy, params),
        opt_state=optimizer.init(params),
        skipped=jnp.zeros((), jnp.int32),
    )
