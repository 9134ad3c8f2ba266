"""One training step, per device: a loss with gradients, and a pure update.

What lies between them, averaging over devices, belongs to ``training/parallel.py``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Num

from gradlog.data import Labeled, split_label
from gradlog.likelihood import Dequantization
from gradlog.losses import NoisyCrossEntropy, ScoreMatchingLoss, stratified
from gradlog.training.augmentation import Augmentation, Unchanged
from gradlog.training.optimizer import updated
from gradlog.training.state import TrainState

Metrics = dict[str, Float[Array, ""]]
LossFn = Callable[[Any], Float[Array, ""]]


@dataclass(frozen=True)
class TrainStep:
    """The step of one device on its rows of the global batch.

    Every random number is addressed by (step, position in the global batch), so that the same batch
    gives the same loss on any number of devices.

    With ``ema_warmup`` a young average forgets its start; without it its decay is constant, as in
    score_sde. As many as ``max_skips`` batches whose loss or gradient is not finite are left out;
    at one more the state stands still.
    """

    loss: ScoreMatchingLoss | NoisyCrossEntropy
    dequantization: Dequantization
    optimizer: optax.GradientTransformation
    ema_decay: float
    batch_size: int
    augmentation: Augmentation = field(default_factory=Unchanged)
    ema_warmup: bool = True
    max_skips: int = 0

    def loss_and_grads(
        self,
        key: jax.Array,
        state: TrainState,
        batch: Num[Array, "rows *D"] | Labeled,
        positions: Int[Array, " rows"],
        of_parts: Callable[[LossFn], LossFn] = lambda loss: loss,
    ) -> tuple[Float[Array, ""], Any]:
        """Mean loss of these rows, in nats per dimension, and its gradient.

        Args:
          key: the training stream of the run.
          state: the state, the same on every device.
          batch: data as stored, with their classes where the model is told them.
          positions: the rows' places in the global batch.
          of_parts: makes of the loss by whole parameters that by those of the state.
        """
        step_key = jax.random.fold_in(key, state.step)

        def mean_loss(params):
            each = jax.vmap(lambda row, position: self._example(params, row, position, step_key))
            return jnp.mean(each(batch, positions))

        return jax.value_and_grad(of_parts(mean_loss))(state.params)

    def _example(self, params, row, position, step_key) -> Float[Array, ""]:
        x, label = split_label(row)
        told = {} if label is None else {"condition": label}
        key = jax.random.fold_in(step_key, position)
        data_key, time_key, loss_key = jax.random.split(key, 3)
        # The fourth after those three, which a split of four would have changed.
        x = self.augmentation(jax.random.fold_in(key, 3), x)
        x0, _ = self.dequantization(data_key, x)
        u = stratified(position, self.batch_size, time_key)
        return self.loss(params, x0, u, loss_key, train=True, **told)

    def update(
        self, state: TrainState, loss: Float[Array, ""], grads: Any, step: Int[Array, ""] | int
    ) -> tuple[TrainState, Metrics]:
        """The next state, and the metrics of the batch.

        The batch of a step is applied to the state of the step before alone: at another one, which
        stands still before a batch that was not finite, it passes by.

        Args:
          state: after the step before.
          loss: the mean over the global batch.
          grads: its gradient.
          step: the number of this batch, from 1 on.
        """
        norm = optax.global_norm(grads)
        own = state.step == step - 1
        finite = jnp.isfinite(loss) & jnp.isfinite(norm)
        left_out = own & ~finite & (state.skipped < self.max_skips)
        kept = lambda new, old: jnp.where(own & finite, new, old)  # noqa: E731
        moved = jax.tree.map(kept, self._moved(state, grads), _movable(state))
        done = (own & finite) | left_out
        after = TrainState(
            state.step + done.astype(jnp.int32),
            *moved,
            skipped=state.skipped + left_out.astype(jnp.int32),
        )
        return after, {"loss": loss, "grad_norm": norm}

    def _moved(self, state: TrainState, grads: Any) -> tuple[Any, Any, Any]:
        """Parameters, average and the optimizer's state after an update with a gradient."""
        updates, opt_state = self.optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        # Between the updates of an accumulation the average stands still.
        rate = jnp.where(updated(opt_state), 1 - self._decay(state.step), 0.0)
        ema = jax.tree.map(lambda a, p: a + rate * (p - a), state.ema_params, params)
        return params, ema, opt_state

    def _decay(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """With a warm-up ``min(decay, (1 + k)/(10 + k))`` after k batches."""
        if not self.ema_warmup:
            return jnp.asarray(self.ema_decay)
        return jnp.minimum(self.ema_decay, (1.0 + step) / (10.0 + step))


def _movable(state: TrainState) -> tuple[Any, Any, Any]:
    return state.params, state.ema_params, state.opt_state
