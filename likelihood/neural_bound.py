"""The variational bound of a path that is learned as a whole."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.likelihood.base import LogProb, PerExample, check_pairs
from gradlog.likelihood.divergences import sample_variance_of_mean
from gradlog.likelihood.parts import DIFFUSION, EPS
from gradlog.losses import drift_error, reconstruction_cost
from gradlog.models import BoundModel
from gradlog.sde_lib import ConditionalPath

_DRAWS_PER_END = 8  # draws of time for one draw of the reconstruction


@dataclass(frozen=True)
class NeuralLikelihood(PerExample):
    """A lower bound on the log density of x under the model's reverse SDE; see `NeuralBound`.

    Times are stratified: two of the ``samples`` fall into each of equal cells. The standard error
    comes from the differences inside the cells, and is unbiased. ``chunk`` draws are evaluated at
    once.

    Raises:
      ValueError: ``samples`` is odd or below two.
    """

    accepts = ConditionalPath

    samples: int
    chunk: int = 128

    def __post_init__(self) -> None:
        check_pairs(self.samples)

    def one(self, model: BoundModel, x: Float[Array, "*D"], key: jax.Array) -> LogProb:
        ends = max(2, self.samples // _DRAWS_PER_END)
        time_key, noise_key, end_key, last_key = jax.random.split(key, 4)
        cells = jnp.repeat(jnp.arange(self.samples // 2), 2)
        times = 2 * (cells + jax.random.uniform(time_key, cells.shape)) / self.samples
        noises = jax.random.normal(noise_key, (self.samples, *x.shape))

        def estimate(t, z):
            return model.datum(model.process.perturb(x, t, z), t)

        def error(row):
            return drift_error(model.process, x, estimate(*row), *row)

        def cost(z):
            return reconstruction_cost(model.process, x, estimate(jnp.zeros(()), z))

        errors = self._map(error, (times, noises))
        costs = self._map(cost, jax.random.normal(end_key, (ends, *x.shape)))
        pairs = errors.reshape(-1, 2) / self.samples
        variance = jnp.sum((pairs[:, 0] - pairs[:, 1]) ** 2) + sample_variance_of_mean(costs)
        return LogProb(
            parts={DIFFUSION: -jnp.mean(errors), EPS: -jnp.mean(costs)},
            errors={"time": jnp.sqrt(variance)},
            discretization=jnp.asarray(jnp.nan),
            latent=model.process.perturb(x, 1.0, jax.random.normal(last_key, x.shape)),
            nfe=jnp.asarray(self.samples + ends),
            jvps=jnp.zeros((), int),
            ok=jnp.isfinite(variance),
            freedom=jnp.asarray(self.samples / 2),
        )

    def _map(self, draw, rows):
        return jax.lax.map(draw, rows, batch_size=min(self.chunk, self.samples))
