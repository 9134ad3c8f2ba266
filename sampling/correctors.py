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
    norms are those of this example alone, so that a sample does not depend on its batch mates. The
    step is at most the variance ``alpha^2 + sigma^2`` of a law of unit data, some twenty times the
    usual one: a score that vanishes by chance, or of an untrained network, throws no sample away.

    Since the step depends on the norms, variances come out too large, those of an isotropic law by
    up to ``4/d`` of themselves: nothing for images, but not for use in a few dimensions.
    """

    snr: float = 0.16
    corrector_steps: int = 1

    @property
    def evaluations(self) -> int:
        return self.corrector_steps

    def __call__(
        self, sde: SDE, score_fn: ScoreFn, x: Float[Array, "*D"], t: Scalar, key: jax.Array
    ) -> Float[Array, "*D"]:
        largest = sde.alpha(t) ** 2 + sde.sigma(t) ** 2
        for step_key in jax.random.split(key, self.corrector_steps):
            x = self._step(score_fn(x, t), x, largest, step_key)
        return x

    def _step(self, score, x: Float[Array, "*D"], largest: Scalar, key) -> Float[Array, "*D"]:
        z = jax.random.normal(key, x.shape)
        ratio = self.snr * jnp.linalg.norm(z) / jnp.linalg.norm(score)
        step = jnp.minimum(2 * ratio**2, largest)
        return x + step * score + jnp.sqrt(2 * step) * z
