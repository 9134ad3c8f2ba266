"""One training step, per device: a loss with gradients, and a pure update.

What lies between them, averaging over devices, belongs to ``training/parallel.py``.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Num

from likelihood import Dequantisation
from losses import ScoreMatchingLoss, stratified
from training.optimizer import updated
from training.state import TrainState


@dataclass(frozen=True)
class TrainStep:
    """The step of one device on its rows of the global batch.

    Every random number is addressed by (step, position in the global batch), so that the same batch
    gives the same loss on any number of devices.
    """

    loss: ScoreMatchingLoss
    dequantisation: Dequantisation
    optimizer: optax.GradientTransformation
    ema_decay: float
    batch_size: int

    def loss_and_grads(
        self,
        key: jax.Array,
        state: TrainState,
        batch: Num[Array, "rows *D"],
        positions: Int[Array, " rows"],
    ) -> tuple[Float[Array, ""], Any]:
        """Mean loss of these rows, in nats per dimension, and its gradient.

        Args:
          key: the training stream of the run.
          state: the state, the same on every device.
          batch: data as stored.
          positions: the rows' places in the global batch.
        """
        step_key = jax.random.fold_in(key, state.step)

        def mean_loss(params):
            each = jax.vmap(lambda x, position: self._example(params, x, position, step_key))
            return jnp.mean(each(batch, positions))

        return jax.value_and_grad(mean_loss)(state.params)

    def _example(self, params, x, position, step_key) -> Float[Array, ""]:
        key = jax.random.fold_in(step_key, position)
        data_key, time_key, loss_key = jax.random.split(key, 3)
        x0, _ = self.dequantisation(data_key, x)
        u = stratified(position, self.batch_size, time_key)
        return self.loss(params, x0, u, loss_key, train=True)

    def update(
        self, state: TrainState, loss: Float[Array, ""], grads: Any
    ) -> tuple[TrainState, dict[str, Float[Array, ""]]]:
        """The next state, and the step's metrics."""
        updates, opt_state = self.optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        # Between the updates of an accumulation the average stands still.
        rate = jnp.where(updated(opt_state), 1 - self._decay(state.step), 0.0)
        ema = jax.tree.map(lambda a, p: a + rate * (p - a), state.ema_params, params)
        metrics = {"loss": loss, "grad_norm": optax.global_norm(grads)}
        return TrainState(state.step + 1, params, ema, opt_state), metrics

    def _decay(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """``min(decay, (1 + k)/(10 + k))`` after k batches: a young average forgets its start."""
        return jnp.minimum(self.ema_decay, (1.0 + step) / (10.0 + step))
