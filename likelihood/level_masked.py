"""A lower bound on the log probability by masks with a rate for each token."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from gradlog.likelihood.base import LogProb, PerExample
from gradlog.likelihood.masked import TOKENS
from gradlog.likelihood.parts import PRIOR
from gradlog.losses import clip_time, masked_cost
from gradlog.models import BoundModel
from gradlog.sde_lib import LevelMasking


@dataclass(frozen=True)
class LevelBound(PerExample):
    """Minus the cost of the reverse of `LevelMasking`, over all times; the prior costs nothing.

    Times are stratified: two of the ``samples`` fall into each of equal cells. The standard error
    comes from the differences inside the cells. ``chunk`` times are evaluated at once.

    Raises:
      ValueError: ``samples`` is odd, or below two.
    """

    accepts = LevelMasking

    samples: int
    chunk: int = 128

    def __post_init__(self) -> None:
        if self.samples < 2 or self.samples % 2:
            raise ValueError(
                f"samples = {self.samples} must be even and at least 2: two for each cell of time"
            )

    def one(self, model: BoundModel, x: Int[Array, "*D"], key: jax.Array) -> LogProb:
        def draw(position_and_key):
            position, key = position_and_key
            time_key, mask_key = jax.random.split(key)
            t = clip_time(2 * (position // 2 + jax.random.uniform(time_key)) / self.samples)
            return masked_cost(model, x, model.process.perturb(x, t, mask_key), t)

        inputs = jnp.arange(self.samples), jax.random.split(key, self.samples)
        drawn = jax.lax.map(draw, inputs, batch_size=min(self.chunk, self.samples)) / self.samples
        pairs = drawn.reshape(-1, 2)
        return LogProb(
            parts={PRIOR: jnp.zeros(()), TOKENS: -jnp.sum(drawn)},
            errors={"masks": jnp.sqrt(jnp.sum((pairs[:, 0] - pairs[:, 1]) ** 2))},
            discretization=jnp.asarray(jnp.nan),
            latent=model.process.prior_sample(key, x.shape),
            nfe=jnp.asarray(self.samples),
            jvps=jnp.asarray(0),
            ok=jnp.isfinite(jnp.sum(drawn)),
            freedom=jnp.asarray(self.samples / 2),
        )
