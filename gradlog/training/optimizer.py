"""Adam with warm-up, a schedule, gradient clipping and accumulation."""

from typing import Any

import jax
import optax


def constant(learning_rate: float) -> optax.Schedule:
    """The same rate for ever."""
    return optax.constant_schedule(learning_rate)


def cosine(learning_rate: float, decay_steps: int) -> optax.Schedule:
    """From the rate to a hundredth of it along half a cosine of ``decay_steps`` updates."""
    if decay_steps < 1:
        raise ValueError("optimizer.decay_steps must be at least 1 for the schedule 'cosine'")
    return optax.cosine_decay_schedule(learning_rate, decay_steps, alpha=0.01)


SCHEDULES = {"constant": constant, "cosine": cosine}


def with_warmup(schedule: optax.Schedule, warmup: int) -> optax.Schedule:
    """Multiplies by ``min(k / warmup, 1)``: update 0 of a warm-up changes nothing (score_sde)."""
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
    """Adam (Kingma & Ba 2015), after clipping the gradient's global norm to ``grad_clip``.

    Args:
      schedule: learning rate by update.
      warmup: updates over which the rate rises from zero.
      beta1: decay of the mean of gradients.
      beta2: decay of the mean of squares.
      adam_eps: added to the root of the mean of squares.
      weight_decay: decoupled decay (AdamW); 0 for none.
      grad_clip: largest global norm of a gradient; 0 for no clipping.
      accumulate: batches whose mean gradient makes one update.
      decay_biases: whether the decay is of parameters named bias too.
    """
    clip = optax.clip_by_global_norm(grad_clip) if grad_clip else optax.identity()
    update = optax.adamw(
        with_warmup(schedule, warmup),
        beta1,
        beta2,
        adam_eps,
        weight_decay=weight_decay,
        mask=None if decay_biases else all_but_biases,
    )
    chain = optax.chain(clip, update)
    if accumulate == 1:
        return chain
    return optax.MultiSteps(chain, accumulate).gradient_transformation()


def all_but_biases(params: Any) -> Any:
    """A tree of whether a parameter is anything but a bias, by its name."""
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key != "bias", params)


def updated(opt_state: optax.OptState):
    """Whether the last batch completed an update of the parameters."""
    if isinstance(opt_state, optax.MultiStepsState):
        return opt_state.mini_step == 0
    return True
