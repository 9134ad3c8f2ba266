"""The reverse SDE of a path that is learned as a whole."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sampling.base import Sample
from gradlog.sde_lib import ConditionalPath


@dataclass(frozen=True)
class NeuralReverse:
    """Euler's steps of ``dx = b(x; x_hat) dt + g dw`` from t = 1 to 0, then the estimate x_hat.

    Bartosh et al. 2024, NFDM, arXiv:2404.12940, algorithm 2. Each step uses drift and diffusion at
    the middle of its times, where both are finite.

    Raises:
      ValueError: ``num_steps`` is below one.
    """

    accepts = ConditionalPath

    num_steps: int

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise ValueError(f"num_steps = {self.num_steps} must be at least 1")

    @property
    def evaluations(self) -> int:
        return self.num_steps + 1

    def __call__(self, model: BoundModel, z: Float[Array, "*D"], key: jax.Array) -> Sample:
        process, width = model.process, 1 / self.num_steps

        def step(x, row):
            index, key = row
            t = 1 - (index + 0.5) * width
            drift = process.backward_drift(model.datum(x, t), t, x)
            noise = jnp.exp(process.log_g(t)) * jax.random.normal(key, x.shape)
            return x - width * drift + jnp.sqrt(width) * noise, None

        rows = jnp.arange(self.num_steps), jax.random.split(key, self.num_steps)
        x, _ = jax.lax.scan(step, z, rows)
        x = model.datum(x, jnp.zeros(()))
        return Sample(x, jnp.asarray(self.evaluations), jnp.all(jnp.isfinite(x)))
