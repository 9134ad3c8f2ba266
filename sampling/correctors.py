"""Correctors: Markov chains that leave the marginal at one time invariant."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sampling.base import Scalar
from gradlog.sampling.transitions import transition_coefficients
from gradlog.sde_lib import SDE


@dataclass(frozen=True)
class NoCorrector:
    """Leave x unchanged."""

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
    """``x + e s + sqrt(2 e) z``, ``corrector_steps`` times; a subclass defines the size e."""

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
        """Return the size of a step with this score and this noise."""

    def step(
        self,
        model: BoundModel,
        x: Float[Array, "*D"],
        t: Scalar,
        t_next: Scalar,
        z: Float[Array, "*D"],
    ) -> tuple[Float[Array, "*D"], Float[Array, "*D"]]:
        """Return x after one step with the noise z, and its mean before the noise is added."""
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
    """A step size from a signal-to-noise ratio (Song et al. 2021, algorithms 4 and 5).

    arXiv:2011.13456: ``e = 2 a^2 (snr ||z|| / ||s||)^2`` with ``a = alpha_t / alpha_{t'}``. Here
    ``a^2`` is one for VE and ``1 - beta_i`` for the chain of DDPM. The norms are those of this
    example alone, so a sample does not depend on its batch mates. With ``norm_axes`` they are means
    over these named axes, as in score_sde. The step is at most ``alpha^2 + sigma^2``, the variance
    of x_t for data of unit variance: about twenty times the usual step. So no sample diverges where
    a score vanishes by chance, or where the network is untrained.

    The step depends on the norms, so variances come out too large: for an isotropic distribution by
    a factor of up to ``1 + 4/d``. This is negligible for images, but not in a few dimensions.
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
        a, _ = transition_coefficients(process, t, t_next)
        largest = process.alpha(t) ** 2 + process.sigma(t) ** 2
        norms = jnp.linalg.norm(z), jnp.linalg.norm(score)
        if self.norm_axes:
            norms = jax.lax.pmean(norms, self.norm_axes)
        return jnp.minimum(2 * (a * self.snr * norms[0] / norms[1]) ** 2, largest)


@dataclass(frozen=True)
class AnnealedLangevinDynamics(LangevinCorrector):
    """``e = 2 a^2 (snr sigma_t)^2``: a step size from the noise level alone.

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
        a, _ = transition_coefficients(process, t, t_next)
        return 2 * (a * self.snr * process.sigma(t)) ** 2
