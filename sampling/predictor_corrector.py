"""Predictor-corrector sampling of the reverse SDE."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.sampling.base import Corrector, Predictor, Sample, ScoreFn
from gradlog.sampling.denoising import posterior_mean
from gradlog.sampling.schedules import UNIFORM, Schedule
from gradlog.sde_lib import SDE


@dataclass(frozen=True)
class PredictorCorrector:
    """At each of ``num_steps`` times from t_max to eps: correct, then predict the next.

    Song et al. 2021, arXiv:2011.13456, algorithm 1, in the order and at the times of score_sde's
    code. What comes after eps is, with ``denoise``, the posterior mean; without, nothing.
    """

    predictor: Predictor
    corrector: Corrector
    num_steps: int
    eps: float
    denoise: bool = True
    schedule: Schedule = UNIFORM

    @property
    def evaluations(self) -> int:
        predictions = (self.num_steps - 1) * self.predictor.evaluations + int(self.denoise)
        return predictions + self.num_steps * self.corrector.evaluations

    def times(self, sde: SDE) -> Float[Array, " num_steps"]:
        """Where it stands."""
        return self.schedule(sde, self.eps, self.num_steps - 1)

    def __call__(
        self, sde: SDE, score_fn: ScoreFn, z: Float[Array, "*D"], key: jax.Array
    ) -> Sample:
        times = self.times(sde)

        def step(x, scanned):
            t, t_next, step_key = scanned
            correct_key, predict_key = jax.random.split(step_key)
            x = self.corrector(sde, score_fn, x, t, t_next, correct_key)
            return self.predictor(sde, score_fn, x, t, t_next, predict_key), None

        keys = jax.random.split(key, self.num_steps)
        x, _ = jax.lax.scan(step, z, (times[:-1], times[1:], keys[:-1]))
        x = self.corrector(sde, score_fn, x, times[-1], times[-1], keys[-1])
        if self.denoise:
            x = posterior_mean(sde, score_fn, x, times[-1])
        return Sample(x, jnp.asarray(self.evaluations), jnp.all(jnp.isfinite(x)))
