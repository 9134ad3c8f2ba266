"""Correctors: Markov chains that leave the marginal at one time invariant."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sampling.base import Scalar, ScoreFn
from sde_lib import SDE


@dataclass(frozen=True)
class NoCorrector:
    """Leaves x as it is."""

    @property
    def evaluations(self) -> int:
        return 0

    def __call__(
        self, sde: SDE, score_fn: ScoreFn, x: Float[Array, "*D"], t: Scalar, key: jax.Array
    ) -> Float[Array, "*D"]:
        del sde, score_fn, t, key
        return x


@dataclass(frozen=True)
class Langevin:
    """Langevin dynamics with a step set by a signal-to-noise ratio (Song et al. 2021, algorithm 4).

    ``step = 2 a (snr ||z|| / ||s||)^2``, with ``a = alpha_t^2 / alpha_{t-dt}^2`` taken as one. The
    norms are those of this example alone, so that a sample does not depend on its batch mates.
    """

    snr: float = 0.16
    corrector_steps: int = 1

    @property
    def evaluations(self) -> int:
        return self.corrector_steps

    def __call__(
        self, sde: SDE, score_fn: ScoreFn, x: Float[Array, "*D"], t: Scalar, key: jax.Array
    ) -> Float[Array, "*D"]:
        del sde
        for step_key in jax.random.split(key, self.corrector_steps):
            x = self._step(score_fn(x, t), x, step_key)
        return x

    def _step(self, score, x: Float[Array, "*D"], key: jax.Array) -> Float[Array, "*D"]:
        z = jax.random.normal(key, x.shape)
        # The smallest normal number: a score of zero makes a large step, not a NaN.
        score_norm = jnp.maximum(jnp.linalg.norm(score), jnp.finfo(x.dtype).tiny ** 0.25)
        step = 2 * (self.snr * jnp.linalg.norm(z) / score_norm) ** 2
        return x + step * score + jnp.sqrt(2 * step) * z
