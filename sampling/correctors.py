"""Correctors: Markov chains that leave the marginal at one time invariant."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sampling.base import Scalar
from gradlog.sampling.transition import transition
from gradlog.sde_lib import SDE


@dataclass(frozen=True)
class NoCorrector:
    """Leaves x as it is."""

    @property
    def evaluations(self) -> int:
        return 0

    def __call__(
        self,
        model: BoundModel,
        x: Float[Array, "*D"],
        t: Scalar,
        t_next: Scalar,
        key: jax.Array,
    ) -> Float[Array, "*D"]:
        del model, t, t_next, key
        return x


@dataclass(frozen=True)
class LangevinCorrector(ABC):
    """``x + e s + sqrt(2 e) z``, ``corrector_steps`` times; a member gives the size e."""

    snr: float = 0.16
    corrector_steps: int = 1

    @property
    def evaluations(self) -> int:
        return self.corrector_steps

    @abstractmethod
    def size(
        self,
        process: SDE,
        score: Float[Array, "*D"],
        t: Scalar,
        t_next: Scalar,
        z: Float[Array, "*D"],
    ) -> Scalar:
        """The size of a step with this score and this noise."""

    def step(
        self,
        model: BoundModel,
        x: Float[Array, "*D"],
        t: Scalar,
        t_next: Scalar,
        z: Float[Array, "*D"],
    ) -> tuple[Float[Array, "*D"], Float[Array, "*D"]]:
        """One step with the noise z, and its mean before the noise."""
        score = model.score(x, t)
        size = self.size(model.process, score, t, t_next, z)
        mean = x + size * score
        return mean + jnp.sqrt(2 * size) * z, mean

    def __call__(
        self,
        model: BoundModel,
        x: Float[Array, "*D"],
        t: Scalar,
        t_next: Scalar,
        key: jax.Array,
    ) -> Float[Array, "*D"]:
        for step_key in jax.random.split(key, self.corrector_steps):
            z = jax.random.normal(step_key, x.shape)
            x, _ = self.step(model, x, t, t_next, z)
        return x


@dataclass(frozen=True)
class Langevin(LangevinCorrector):
    """A step set by a signal-to-noise ratio (Song et al. 2021, arXiv:2011.13456, algorithms 4, 5).

    ``e = 2 a^2 (snr ||z|| / ||s||)^2`` with ``a = alpha_t / alpha_{t'}``: ``a^2`` is one for VE and
    ``1 - beta_i`` for the chain of DDPM. The norms are those of this example alone, so that
    a sample does not depend on its batch mates; or their means over the named axes ``norm_axes``,
    as in score_sde. The step is at most the variance ``alpha^2 + sigma^2`` of a law of unit data,
    some twenty times the usual one: a score that vanishes by chance, or of an untrained network,
    throws no sample away.

    Since the step depends on the norms, variances come out too large, those of an isotropic law by
    up to ``4/d`` of themselves: nothing for images, but not for use in a few dimensions.
    """

    norm_axes: tuple[str, ...] = ()

    def size(
        self,
        process: SDE,
        score: Float[Array, "*D"],
        t: Scalar,
        t_next: Scalar,
        z: Float[Array, "*D"],
    ) -> Scalar:
        a, _ = transition(process, t, t_next)
        largest = process.alpha(t) ** 2 + process.sigma(t) ** 2
        norms = jnp.linalg.norm(z), jnp.linalg.norm(score)
        if self.norm_axes:
            norms = jax.lax.pmean(norms, self.norm_axes)
        return jnp.minimum(2 * (a * self.snr * norms[0] / norms[1]) ** 2, largest)


@dataclass(frozen=True)
class AnnealedLangevinDynamics(LangevinCorrector):
    """``e = 2 a^2 (snr sigma_t)^2``: a step set by the level of noise alone.

    Song & Ermon 2019, arXiv:1907.05600, with the constant of score_sde, which calls it ``ald``.
    """

    def size(
        self,
        process: SDE,
        score: Float[Array, "*D"],
        t: Scalar,
        t_next: Scalar,
        z: Float[Array, "*D"],
    ) -> Scalar:
        del score, z
        a, _ = transition(process, t, t_next)
        return 2 * (a * self.snr * process.sigma(t)) ** 2
