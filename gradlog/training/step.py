"""One training step per device: a loss with its gradient, and a pure update.

`training/parallel.py` averages over devices between the two.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, Num

from gradlog.data import Labeled, split_label
from gradlog.losses import Loss, example_keys, stratified
from gradlog.training.optimizer import count_updates, is_update_complete
from gradlog.training.state import ParameterGroup, TrainState
from gradlog.training.trainable import Example, Trainable

Params = dict[str, Any]
LossFn = Callable[[Params], tuple[Array, dict[str, Array]]]


@dataclass(frozen=True)
class TrainStep:
    """The training step of one device, on its rows of the global batch.

    Every random number depends only on the step and the position in the global batch. So a batch
    has the same loss on any number of devices.

    Attributes:
      trainable: the loss of one example.
      groups: the settings of each group of parameters.
      batch_size: rows of the global batch.
      max_skips: number of batches that may be skipped because their loss or gradient is not finite.
        The next such batch stops the state.
    """

    trainable: Trainable
    groups: Mapping[str, ParameterGroup]
    batch_size: int
    max_skips: int = 0

    def loss_and_grads(
        self,
        key: jax.Array,
        state: TrainState,
        batch: Num[Array, "rows *D"] | Labeled,
        positions: Int[Array, " rows"],
        shard_loss: Callable[[LossFn], LossFn] = lambda loss: loss,
    ) -> tuple[Loss, Params]:
        """Return the mean loss of these rows, and its gradient by the groups that are trained.

        Args:
          key: the training stream of the run.
          state: the parameters and the step.
          batch: data as stored, with their classes if the model is class-conditional.
          positions: the positions of the rows in the global batch.
          shard_loss: turns a loss of full parameters into one of the shards in the state.
        """
        step_key = jax.random.fold_in(key, state.step)

        def example_loss(params: Params, row: Any, position: Array) -> Loss:
            key = jax.random.fold_in(step_key, position)
            x, label = split_label(row)
            u = stratified(position, self.batch_size, example_keys(key).time)
            return self.trainable.loss(params, Example(x, u, label), key)

        def mean_loss(params: Params) -> tuple[Array, dict[str, Array]]:
            each = jax.vmap(example_loss, (None, 0, 0))(params, batch, positions)
            return jnp.mean(each.value), jax.tree.map(jnp.mean, each.metrics)

        full_loss = shard_loss(mean_loss)
        frozen = {name: state.params[name] for name in state.params if name not in state.opt_state}
        trained = {name: state.params[name] for name in state.opt_state}
        (value, metrics), grads = jax.value_and_grad(
            lambda trained: full_loss(frozen | trained), has_aux=True
        )(trained)
        return Loss(value, metrics), grads

    def update(
        self, state: TrainState, loss: Loss, grads: Params, step: Int[Array, ""] | int
    ) -> tuple[TrainState, dict[str, Array]]:
        """Return the next state, and the metrics of the batch.

        A batch only changes the state of the step before it. If a batch that is not finite stopped
        the state, later batches change nothing.

        Args:
          state: the state after the step before.
          loss: the mean over the global batch.
          grads: the gradient of the mean, by group.
          step: the number of this batch, from 1 on.
        """
        norm = optax.global_norm(grads)
        applies = state.step == step - 1
        finite = jnp.isfinite(loss.value) & jnp.isfinite(norm)
        skipped = applies & ~finite & (state.skipped < self.max_skips)

        def updated() -> tuple[Params, Params, Params]:
            params, ema, opt_state = dict(state.params), dict(state.ema), dict(state.opt_state)
            for name, grad in grads.items():
                group = self.groups[name]
                assert group.optimizer is not None
                before = count_updates(opt_state[name], state.step)
                updates, opt_state[name] = group.optimizer.update(
                    grad, opt_state[name], params[name]
                )
                params[name] = optax.apply_updates(params[name], updates)
                # Between the updates of an accumulation the average does not change.
                complete = is_update_complete(opt_state[name])
                rate = jnp.where(complete, 1 - group.decay(before), 0.0)
                ema[name] = jax.tree.map(
                    lambda a, p, r=rate: a + r * (p - a), ema[name], params[name]
                )
            return params, ema, opt_state

        # To choose number by number would compute the moments twice: for the step and to be kept.
        params, ema, opt_state = jax.lax.cond(
            applies & finite, updated, lambda: (state.params, state.ema, state.opt_state)
        )
        done = (applies & finite) | skipped
        after = TrainState(
            state.step + done.astype(jnp.int32),
            params,
            ema,
            opt_state,
            skipped=state.skipped + skipped.astype(jnp.int32),
        )
        return after, {"loss": loss.value, "grad_norm": norm, **loss.metrics}
