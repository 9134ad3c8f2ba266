"""Predictor-corrector sampling of the reverse SDE."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sampling.base import Corrector, Predictor, Sample, ScoreFn
from sampling.schedules import UNIFORM, Schedule
from sde_lib import SDE


@dataclass(frozen=True)
class PredictorCorrector:
    """At each of ``num_steps`` times on the way from t_max to eps: correct, then predict.

    Song et al. 2021, arXiv:2011.13456, algorithm 1, in the order of score_sde's code. With
    ``denoise`` the last step adds no noise.
    """

    predictor: Predictor
    corrector: Corrector
    num_steps: int
    eps: float
    denoise: bool = True
    schedule: Schedule = UNIFORM

    @property
    def evaluations(self) -> int:
        return self.num_steps * (self.predictor.evaluations + self.corrector.evaluations)

    def __call__(
        self, sde: SDE, score_fn: ScoreFn, z: Float[Array, "*D"], key: jax.Array
    ) -> Sample:
        times = self.schedule(sde, self.eps, self.num_steps)

        def step(carry, scanned):
            t, t_next, step_key = scanned
            correct_key, predict_key = jax.random.split(step_key)
            x = self.corrector(sde, score_fn, carry[0], t, t_next, correct_key)
            return self.predictor(sde, score_fn, x, t, t_next, predict_key), None

        keys = jax.random.split(key, self.num_steps)
        (x, mean), _ = jax.lax.scan(step, (z, z), (times[:-1], times[1:], keys))
        sample = mean if self.denoise else x
        return Sample(sample, jnp.asarray(self.evaluations), jnp.all(jnp.isfinite(sample)))
