"""Sampling where a part of the result is known: inpainting and colorization.

The part ``y = P x0`` is what an orthogonal projection P leaves. It is noised along a path of the
forward process, and after every step the state's part is replaced by the point of that path at the
time the state is then at (Song et al. 2021, arXiv:2011.13456, appendix I.2). The noise of y_t given
y is independent of the rest, so that the rest of x_t is wanted given y_t alone. Three things bring
its law there:

- replacement by itself, which is biased: what is drawn beside y_t did not expect it;
- a corrector, whose steps at fixed y_t leave ``p(x_t | y_t)`` as it is, and which so removes the
  bias within a mode, with enough steps at each level;
- several particles, of which after a step those survive that expected y_t: a particle filter along
  the path, exact for any law in the limit of many (Trippe et al. 2023, arXiv:2206.04119). Without
  it modes keep weights that they were given when y_t hardly told anything of them.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gradlog.models import BoundModel
from gradlog.sampling.base import Corrector, Predictor, Sample, Scalar
from gradlog.sampling.denoising import posterior_mean
from gradlog.sampling.predictor_corrector import PredictorCorrector
from gradlog.sampling.projections import Projection
from gradlog.sampling.transition import shrinkage, transition
from gradlog.sde_lib import SDE, Process

Particles = Float[Array, "particles *D"]


@dataclass(frozen=True)
class KnownPart:
    """What is known of a sample: ``projection(x) = part``."""

    projection: Projection
    part: Float[Array, "*D"]

    def put(self, x: Float[Array, "*D"], part: Float[Array, "*D"]) -> Float[Array, "*D"]:
        """x with another part in the place of its own."""
        return x - self.projection(x) + part

    def start(self, process: SDE, key: jax.Array) -> Float[Array, "*D"]:
        """The part noised to t_max."""
        noise = self.projection(jax.random.normal(key, self.part.shape))
        return process.perturb(self.part, process.t_max, noise)

    def step(
        self, process: SDE, part: Float[Array, "*D"], t: Scalar, t_next: Scalar, key: jax.Array
    ) -> Float[Array, "*D"]:
        """The noised part at ``t_next`` < t, given that at t: a step of the path, backwards.

        With ``r = (rho_next / rho)^2`` and the known y:
        ``y_next/alpha_next ~ N(y + r (y_t/alpha - y), rho_next^2 (1 - r) I)``.
        """
        share = shrinkage(process, t, t_next)
        mean = self.part + (1 - share) * (part / process.alpha(t) - self.part)
        noise = self.projection(jax.random.normal(key, part.shape))
        return process.alpha(t_next) * mean + process.sigma(t_next) * jnp.sqrt(share) * noise


@dataclass(frozen=True)
class ReplacingPredictor:
    """A predictor of particles, all with one noised part; those go on that expected the next."""

    predictor: Predictor
    known: KnownPart

    @property
    def evaluations(self) -> int:
        return self.predictor.evaluations

    def __call__(
        self, model: BoundModel, x: Particles, t: Scalar, t_next: Scalar, key: jax.Array
    ) -> Particles:
        predict_key, path_key, choice_key = jax.random.split(key, 3)
        one = lambda x: self.predictor.mean_and_std(model, x, t, t_next)  # noqa: E731
        mean, std = jax.vmap(one, out_axes=(0, None))(x)
        moved = mean + std * jax.random.normal(predict_key, x.shape)
        part = self.known.step(model.process, self.known.projection(x[0]), t, t_next, path_key)
        _, forward_std = transition(model.process, t, t_next)
        chosen = resampled(self._log_weights(mean, part, forward_std), choice_key)
        return jax.vmap(self.known.put, (0, None))(moved[chosen], part)

    def _log_weights(
        self, mean: Particles, part: Float[Array, "*D"], std: Scalar
    ) -> Float[Array, " particles"]:
        """``log N(part; P mean, std^2)`` up to a constant: how much each expected the part."""
        off = jax.vmap(self.known.projection)(mean) - part
        return -0.5 * jnp.sum(off**2, axis=tuple(range(1, off.ndim))) / std**2


@dataclass(frozen=True)
class ReplacingCorrector:
    """A corrector of one step, ``steps`` times, at a fixed noised part."""

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
            return self.known.put(self.corrector(model, x, t, t_next, key), part)

        def step(x, step_key):
            return jax.vmap(one)(x, jax.random.split(step_key, len(x))), None

        return jax.lax.scan(step, x, jax.random.split(key, self.steps))[0]


@dataclass(frozen=True)
class Conditioned:
    """A predictor-corrector sampler of what is not known; the known part of a sample is exact.

    Each sample is one of ``particles`` of its own, so that it does not depend on its batch mates.

    Raises:
      ValueError: there are fewer than one.
    """

    accepts: ClassVar[type[Process]] = SDE

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
        start = jax.vmap(self.known.put, (0, None))(jnp.concatenate([z[None], more]), part)
        found = self._replacing()(model, start, path_key)
        x = found.x[jax.random.randint(choice_key, (), 0, self.particles)]
        if self.sampler.denoise:
            x = posterior_mean(model, x, self.sampler.times(process)[-1])
        return Sample(self.known.put(x, self.known.part), jnp.asarray(self.evaluations), found.ok)

    def _replacing(self) -> PredictorCorrector:
        """The sampler, with the part replaced after every step of predictor and corrector."""
        one_step: Any = self.sampler.corrector
        steps = getattr(one_step, "corrector_steps", 1)
        if steps > 1:
            one_step = replace(one_step, corrector_steps=1)
        return replace(
            self.sampler,
            predictor=ReplacingPredictor(self.sampler.predictor, self.known),
            corrector=ReplacingCorrector(one_step, steps, self.known),
            denoise=False,  # one particle is to be
        )


def resampled(log_weights: Float[Array, " n"], key: jax.Array) -> Int[Array, " n"]:
    """Indices of n draws in proportion to the weights, as even as they can be (systematic).

    Each is drawn ``n w`` times, rounded up or down at random (Kitagawa 1996); equal weights leave
    every particle where it is. Weights of which none is finite do so too.
    """
    n = len(log_weights)
    weights = jax.nn.softmax(log_weights)
    weights = jnp.where(jnp.all(jnp.isfinite(weights)), weights, 1 / n)
    places = (jnp.arange(n) + jax.random.uniform(key)) / n
    return jnp.clip(jnp.searchsorted(jnp.cumsum(weights), places), 0, n - 1)
