"""The state of a training at one step, and the settings of its parameter groups."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Float, Int

NETWORK = "network"  # the group that every score model has


@dataclass(frozen=True)
class ParameterGroup:
    """The training settings of one group of parameters.

    Attributes:
      optimizer: the update rule; None freezes the group.
      ema_decay: decay of the exponential moving average, per update, in [0, 1).
      ema_warmup: whether the average forgets its start: after k updates the decay is
        ``min(ema_decay, (1 + k)/(10 + k))``. score_sde has no such warm-up.

    Raises:
      ValueError: the decay lies outside of its range.
    """

    optimizer: optax.GradientTransformation | None
    ema_decay: float = 0.9999
    ema_warmup: bool = True

    def __post_init__(self):
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay = {self.ema_decay} must lie in [0, 1)")

    def decay(self, updates: Int[Array, ""]) -> Float[Array, ""]:
        """Return the decay of the average after so many updates."""
        if not self.ema_warmup:
            return jnp.asarray(self.ema_decay)
        return jnp.minimum(self.ema_decay, (1.0 + updates) / (10.0 + updates))


@struct.dataclass
class TrainState:
    """Everything that training needs to resume; data and random numbers are functions of the step.

    Attributes:
      step: number of batches, skipped ones included.
      params: parameters by group.
      ema: their exponential moving averages by group.
      opt_state: the optimizer state of each group that is trained.
      skipped: number of batches skipped because their loss or gradient was not finite.
    """

    step: Int[Array, ""]
    params: dict[str, Any]
    ema: dict[str, Any]
    opt_state: dict[str, optax.OptState]
    skipped: Int[Array, ""]


def init_state(params: dict[str, Any], groups: Mapping[str, ParameterGroup]) -> TrainState:
    """Return the state before the first step; the averages start at the parameters.

    Raises:
      ValueError: the groups are not those of the parameters.
    """
    if params.keys() != groups.keys():
        raise ValueError(
            f"parameters have the groups {sorted(params)}, but the settings {sorted(groups)}"
        )
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        ema=jax.tree.map(jnp.copy, params),
        opt_state={
            name: group.optimizer.init(params[name])
            for name, group in groups.items()
            if group.optimizer is not None
        },
        skipped=jnp.zeros((), jnp.int32),
    )
