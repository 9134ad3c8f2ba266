"""Sampling with a known part: inpainting and colorization.

The known part is ``y = P x0`` for an orthogonal projection P. The sampler adds noise to it along a
path of the forward process. After every step it replaces the state's part by the point of that path
at the state's time (Song et al. 2021, arXiv:2011.13456, appendix I.2). The noise of y_t is
independent of everything else, so the rest of x_t must be sampled conditional on y_t alone. Three
methods approach this distribution:

- Replacement alone is biased: the rest was drawn without knowledge of the new y_t.
- A corrector at fixed y_t leaves ``p(x_t | y_t)`` invariant. With enough steps at each level it
  removes the bias within a mode.
- Several particles: after a step the particles that predicted y_t well survive. This particle
  filter along the path is exact for every distribution in the limit of many particles (Trippe et
  al. 2023, arXiv:2206.04119). Without it modes keep the weights that they got while y_t was still
  too noisy to distinguish them.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gradlog.models import BoundModel
from gradlog.sampling.base import Corrector, Predictor, Sample, Scalar
from gradlog.sampling.predictor_corrector import PredictorCorrector
from gradlog.sampling.projections import Projection
from gradlog.sampling.transitions import (
    added_noise_fraction,
    posterior_mean,
    transition_coefficients,
)
from gradlog.sde_lib import SDE

Particles = Float[Array, "particles *D"]


@dataclass(frozen=True)
class KnownPart:
    """The constraint ``projection(x) = part`` on a sample."""

    projection: Projection
    part: Float[Array, "*D"]

    def replace(self, x: Float[Array, "*D"], part: Float[Array, "*D"]) -> Float[Array, "*D"]:
        """Return x with its known part replaced by another part."""
        return x - self.projection(x) + part

    def start(self, process: SDE, key: jax.Array) -> Float[Array, "*D"]:
        """Return the part with the noise of t_max."""
        noise = self.projection(jax.random.normal(key, self.part.shape))
        return process.perturb(self.part, process.t_max, noise)

    def step(
        self, process: SDE, part: Float[Array, "*D"], t: Scalar, t_next: Scalar, key: jax.Array
    ) -> Float[Array, "*D"]:
        """Return a noisy part at ``t_next`` < t from that at t, by a backward step of the path.

        With ``r = (rho_next / rho)^2`` and the known y: ``y_next/alpha_next ~ N(y + r (y_t/alpha -
        y), rho_next^2 (1 - r) I)``.
        """
        fraction = added_noise_fraction(process, t, t_next)
        mean = self.part + (1 - fraction) * (part / process.alpha(t) - self.part)
        noise = self.projection(jax.random.normal(key, part.shape))
        return process.alpha(t_next) * mean + process.sigma(t_next) * jnp.sqrt(fraction) * noise


@dataclass(frozen=True)
class ReplacingPredictor:
    """A predictor of particles with a common noisy part, which resamples them by the next part."""

    predictor: Predictor
    known: KnownPart

    @property
    def evaluations(self) -> int:
        return self.predictor.evaluations

    def __call__(
        self, model: BoundModel, x: Particles, t: Scalar, t_next: Scalar, key: jax.Array
    ) -> Particles:
        predict_key, path_key, choice_key = jax.random.split(key, 3)
        mean, std = jax.vmap(
            lambda x: self.predictor.mean_and_std(model, x, t, t_next), out_axes=(0, None)
        )(x)
        moved = mean + std * jax.random.normal(predict_key, x.shape)
        part = self.known.step(model.process, self.known.projection(x[0]), t, t_next, path_key)
        _, forward_std = transition_coefficients(model.process, t, t_next)
        # log N(part; P mean, forward_std^2) up to a constant, for each particle
        error = jax.vmap(self.known.projection)(mean) - part
        squares = jnp.sum(error**2, axis=tuple(range(1, error.ndim)))
        chosen = systematic_resample(-0.5 * squares / forward_std**2, choice_key)
        return jax.vmap(self.known.replace, (0, None))(moved[chosen], part)


@dataclass(frozen=True)
class ReplacingCorrector:
    """A corrector of one step, applied ``steps`` times at a fixed noisy part."""

    corrector: Corrector
    steps: int
    known: KnownPart

    @property
    def evaluations(self) -> int:
        return self.steps * self.corrector.evaluations

    def __call__(
        self, model: BoundModel, x: Particles, t: Scalar, t_next: Scalar, key: jax.Array
    ) -> Particles:
        def one(x, key):
            part = self.known.projection(x)
            return self.known.replace(self.corrector(model, x, t, t_next, key), part)

        def step(x, step_key):
            return jax.vmap(one)(x, jax.random.split(step_key, len(x))), None

        return jax.lax.scan(step, x, jax.random.split(key, self.steps))[0]


@dataclass(frozen=True)
class ReplacementSampler:
    """A predictor-corrector sampler conditional on a known part, which is exact in the sample.

    Each sample is one of ``particles`` of its own, so it does not depend on its batch mates.

    Raises:
      ValueError: ``particles`` is below one.
    """

    accepts = SDE

    sampler: PredictorCorrector
    known: KnownPart
    particles: int = 1

    def __post_init__(self) -> None:
        if self.particles < 1:
            raise ValueError(f"particles must be at least 1, got {self.particles}")

    @property
    def evaluations(self) -> int:
        undenoised = replace(self.sampler, denoise=False).evaluations
        return self.particles * undenoised + int(self.sampler.denoise)

    def __call__(self, model: BoundModel, z: Float[Array, "*D"], key: jax.Array) -> Sample:
        process = model.process
        prior_key, part_key, path_key, choice_key = jax.random.split(key, 4)
        more = jax.vmap(lambda key: process.prior_sample(key, z.shape))(
            jax.random.split(prior_key, self.particles)[1:]
        )
        part = self.known.start(process, part_key)
        start = jax.vmap(self.known.replace, (0, None))(jnp.concatenate([z[None], more]), part)
        result = self._with_replacement()(model, start, path_key)
        x = result.x[jax.random.randint(choice_key, (), 0, self.particles)]
        if self.sampler.denoise:
            x = posterior_mean(model, x, self.sampler.times(process)[-1])
        x = self.known.replace(x, self.known.part)
        return Sample(x, jnp.asarray(self.evaluations), result.ok)

    def _with_replacement(self) -> PredictorCorrector:
        """Return the sampler that replaces the part after every step of predictor and corrector."""
        one_step: Any = self.sampler.corrector
        steps = getattr(one_step, "corrector_steps", 1)
        if steps > 1:  # the part is replaced after each of them
            one_step = replace(one_step, corrector_steps=1)
        return replace(
            self.sampler,
            predictor=ReplacingPredictor(self.sampler.predictor, self.known),
            corrector=ReplacingCorrector(one_step, steps, self.known),
            denoise=False,  # only the chosen particle is denoised
        )


def systematic_resample(log_weights: Float[Array, " n"], key: jax.Array) -> Int[Array, " n"]:
    """Return n indices in proportion to the weights, by systematic resampling (Kitagawa 1996).

    Each index occurs ``n w`` times, rounded up or down at random. Equal weights leave every
    particle in its place, and so do weights of which none is finite.
    """
    n = len(log_weights)
    weights = jax.nn.softmax(log_weights)
    weights = jnp.where(jnp.all(jnp.isfinite(weights)), weights, 1 / n)
    positions = (jnp.arange(n) + jax.random.uniform(key)) / n
    return jnp.clip(jnp.searchsorted(jnp.cumsum(weights), positions), 0, n - 1)
