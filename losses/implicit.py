"""Implicit score matching: the trace of the score's Jacobian, exactly."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gradlog.losses.noising import noised
from gradlog.models import BoundModel
from gradlog.models.bound_model import ScoreFn


@dataclass(frozen=True)
class ImplicitScoreMatching:
    """``sigma^2 (tr grad s + 1/2 ||s||^2)`` at x_t (Hyvarinen 2005, eq. 4).

    Equal in expectation to explicit score matching minus ``sigma^2/2 E||grad log p_t||^2``. The
    trace takes a forward product for each of d dimensions, ``chunk`` of them at once; for a
    gradient each chunk is computed again, so that no more than one is held.

    Raises:
      ValueError: the chunk is empty.
    """

    chunk: int = 128

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise ValueError(f"chunk must be at least 1, got {self.chunk}")

    def __call__(
        self,
        model: BoundModel,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, ""]:
        x, _ = noised(model.process, x0, t, key)
        score = model.score(x, t)
        return model.process.sigma(t) ** 2 * (
            self.trace(model.score, x, t) + 0.5 * jnp.sum(score**2)
        )

    def trace(
        self, score_fn: ScoreFn, x: Float[Array, "*D"], t: Float[Array, ""]
    ) -> Float[Array, ""]:
        """``tr grad s``."""

        def partial_trace(x: Float[Array, "*D"], rows: Int[Array, " n"]) -> Float[Array, ""]:
            def entry(i):
                v = jax.nn.one_hot(i, x.size, dtype=x.dtype).reshape(x.shape)
                return jnp.vdot(v, jax.jvp(lambda x: score_fn(x, t), (x,), (v,))[1])

            return jnp.sum(jax.vmap(entry)(rows))

        if x.size <= self.chunk:
            return partial_trace(x, jnp.arange(x.size))
        # Not a scan: gradients of convolutions inside loops are many times slower on CPU.
        starts = range(0, x.size, self.chunk)
        chunks = [jnp.arange(start, min(start + self.chunk, x.size)) for start in starts]
        return sum((jax.checkpoint(partial_trace)(x, rows) for rows in chunks), jnp.zeros(()))
