"""Adam with warm-up, a learning-rate schedule, gradient clipping and accumulation."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int


def constant(learning_rate: float) -> optax.Schedule:
    """Return the schedule of a constant rate."""
    return optax.constant_schedule(learning_rate)


def cosine(learning_rate: float, decay_steps: int) -> optax.Schedule:
    """Return the schedule from the rate to 1% of it, half a cosine of ``decay_steps`` updates.

    Raises:
      ValueError: ``decay_steps`` is below one.
    """
    if decay_steps < 1:
        raise ValueError("optimizer.decay_steps must be at least 1 for the schedule 'cosine'")
    return optax.cosine_decay_schedule(learning_rate, decay_steps, alpha=0.01)


SCHEDULES = {"constant": constant, "cosine": cosine}


def add_warmup(schedule: optax.Schedule, warmup: int) -> optax.Schedule:
    """Multiply a schedule by ``min(k / warmup, 1)``: update 0 changes nothing, as in score_sde."""
    ramp = optax.linear_schedule(0.0, 1.0, warmup) if warmup else optax.constant_schedule(1.0)
    return lambda count: ramp(count) * schedule(count)


def adam(
    schedule: optax.Schedule,
    *,
    warmup: int,
    beta1: float,
    beta2: float,
    adam_eps: float,
    weight_decay: float,
    grad_clip: float,
    accumulate: int,
    decay_biases: bool = True,
) -> optax.GradientTransformation:
    """Return Adam (Kingma & Ba 2015), after clipping the gradient's global norm to ``grad_clip``.

    Args:
      schedule: learning rate by update.
      warmup: number of updates over which the rate increases from zero.
      beta1: decay of the mean of gradients.
      beta2: decay of the mean of squares.
      adam_eps: added to the root of the mean of squares.
      weight_decay: decoupled decay (AdamW); 0 for none.
      grad_clip: largest global norm of a gradient; 0 for no clipping.
      accumulate: number of batches whose mean gradient makes one update.
      decay_biases: whether parameters named bias decay too.
    """
    clip = optax.clip_by_global_norm(grad_clip) if grad_clip else optax.identity()
    update = optax.adamw(
        add_warmup(schedule, warmup),
        beta1,
        beta2,
        adam_eps,
        weight_decay=weight_decay,
        mask=None if decay_biases else decay_mask,
    )
    chain = optax.chain(clip, update)
    if accumulate == 1:
        return chain
    return optax.MultiSteps(chain, accumulate).gradient_transformation()


def decay_mask(params: Any) -> Any:
    """Return a tree of booleans: true for every parameter that is not named bias."""
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key != "bias", params)


def is_update_complete(opt_state: optax.OptState):
    """Return whether the last batch completed an update of the parameters."""
    if isinstance(opt_state, optax.MultiStepsState):
        return opt_state.mini_step == 0
    return True


def count_updates(opt_state: optax.OptState, batches: Int[Array, ""]) -> Int[Array, ""]:
    """Return the number of updates after so many batches."""
    if isinstance(opt_state, optax.MultiStepsState):
        return jnp.asarray(opt_state.gradient_step)
    return batches
