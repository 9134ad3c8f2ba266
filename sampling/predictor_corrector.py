"""Predictor-corrector sampling of the reverse SDE."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sampling.base import Corrector, Predictor, Sample
from gradlog.sampling.schedules import UNIFORM, Schedule
from gradlog.sampling.transitions import posterior_mean
from gradlog.sde_lib import GaussianPath, Process


@dataclass(frozen=True)
class PredictorCorrector:
    """At each of ``num_steps`` times from t_max to eps, correct and then predict the next state.

    Song et al. 2021, arXiv:2011.13456, algorithm 1, in the order and at the times of score_sde's
    code. After eps the sample is replaced by its posterior mean if ``denoise`` is true.
    """

    predictor: Predictor
    corrector: Corrector
    num_steps: int
    eps: float
    denoise: bool = True
    schedule: Schedule = UNIFORM

    @property
    def accepts(self) -> type[Process]:
        return self.schedule.accepts

    @property
    def evaluations(self) -> int:
        predictions = (self.num_steps - 1) * self.predictor.evaluations + int(self.denoise)
        return predictions + self.num_steps * self.corrector.evaluations

    def times(self, process: GaussianPath) -> Float[Array, " num_steps"]:
        """Return the times of the states."""
        return self.schedule(process, self.eps, self.num_steps - 1)

    def __call__(self, model: BoundModel, z: Float[Array, "*D"], key: jax.Array) -> Sample:
        times = self.times(model.process)

        def step(x, scanned):
            t, t_next, step_key = scanned
            correct_key, predict_key = jax.random.split(step_key)
            x = self.corrector(model, x, t, t_next, correct_key)
            return self.predictor(model, x, t, t_next, predict_key), None

        keys = jax.random.split(key, self.num_steps)
        x, _ = jax.lax.scan(step, z, (times[:-1], times[1:], keys[:-1]))
        x = self.corrector(model, x, times[-1], times[-1], keys[-1])
        if self.denoise:
            x = posterior_mean(model, x, times[-1])
        return Sample(x, jnp.asarray(self.evaluations), jnp.all(jnp.isfinite(x)))
