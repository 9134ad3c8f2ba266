"""Implicit score matching, with the exact trace of the score's Jacobian."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gradlog.losses.base import add_noise
from gradlog.models import BoundModel
from gradlog.models.bound_model import ScoreFn


@dataclass(frozen=True)
class ImplicitScoreMatching:
    """``sigma^2 (tr grad s + 1/2 ||s||^2)`` at x_t (Hyvarinen 2005, eq. 4).

    Its expectation is that of explicit score matching minus ``sigma^2/2 E||grad log p_t||^2``. The
    trace takes d Jacobian-vector products, ``chunk`` of them at once. The backward pass computes
    each chunk again, so that memory holds one chunk at a time.

    Raises:
      ValueError: ``chunk`` is below one.
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
        x, _ = add_noise(model.process, x0, t, key)
        score = model.score(x, t)
        return model.process.sigma(t) ** 2 * (
            self.trace(model.score, x, t) + 0.5 * jnp.sum(score**2)
        )

    def trace(
        self, score_fn: ScoreFn, x: Float[Array, "*D"], t: Float[Array, ""]
    ) -> Float[Array, ""]:
        """Return ``tr grad s``."""

        def partial_trace(x: Float[Array, "*D"], rows: Int[Array, " n"]) -> Float[Array, ""]:
            def entry(i):
                v = jax.nn.one_hot(i, x.size, dtype=x.dtype).reshape(x.shape)
                return jnp.vdot(v, jax.jvp(lambda x: score_fn(x, t), (x,), (v,))[1])

            return jnp.sum(jax.vmap(entry)(rows))

        if x.size <= self.chunk:
            return partial_trace(x, jnp.arange(x.size))
        # Not a scan: on CPU the gradient of a convolution inside a loop is many times slower.
        starts = range(0, x.size, self.chunk)
        chunks = [jnp.arange(start, min(start + self.chunk, x.size)) for start in starts]
        return sum((jax.checkpoint(partial_trace)(x, rows) for rows in chunks), jnp.zeros(()))
