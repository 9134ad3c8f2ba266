"""A sampler of `Uniform` processes, which replaces tokens by others."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from gradlog.models import BoundModel
from gradlog.sampling.base import Sample
from gradlog.sampling.unmasking import draw_tokens
from gradlog.sde_lib import Uniform, grid_of_times


@dataclass(frozen=True)
class AncestralReplacing:
    """``num_steps`` steps even in time; in each, every token is replaced or not by itself.

    A step is that of Bayes' rule, with the model's law of the clean token given the other ones
    (Austin et al. 2021, arXiv:2107.03006, eq. 4). Whether a token is replaced, and by which, are
    drawn apart, for the reason that `unmasking` gives. Tokens that are replaced in one step do not
    see each other, so the law is biased; the error vanishes with many steps.
    """

    accepts = Uniform

    num_steps: int = 1000

    @property
    def evaluations(self) -> int:
        return self.num_steps

    def __call__(self, model: BoundModel, z: Int[Array, "*D"], key: jax.Array) -> Sample:
        times = jnp.asarray(grid_of_times(self.num_steps))

        def step(carry, step_times):
            x, ok, key = carry
            key, where_key, token_key = jax.random.split(key, 3)
            logits = model.logits(x, step_times[0])
            prob, others = model.process.leaving_laws(logits, x, *step_times)
            leaves = jax.random.uniform(where_key, x.shape) < prob
            x = jnp.where(leaves, draw_tokens(token_key, others), x)
            return (x, ok & jnp.all(jnp.isfinite(jnp.max(logits, axis=-1))), key), None

        start = z.astype(model.process.dtype), jnp.asarray(True), key
        steps = jnp.stack([times[:-1], times[1:]], axis=1)
        (x, ok, _), _ = jax.lax.scan(step, start, steps)
        return Sample(x=x, nfe=jnp.asarray(self.num_steps), ok=ok)
