"""The training of a generator, with its distance to the data measured along the way."""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import jax
import numpy as np
from jaxtyping import Array, Float

from gradlog import terminal
from gradlog.evaluation.distances import random_directions, sliced_wasserstein
from gradlog.experiment.reader import ConfigError
from gradlog.studies.generator import Alternating, Alternation

DIRECTIONS = 64  # of the distance
Points = Float[np.ndarray, "n d"]


@dataclass(frozen=True)
class GeneratorTraining:
    """Steps of an alternation in blocks of one length, the last as long as what is left.

    Attributes:
      alternation: the step.
      test: data that as many samples are compared with.
      steps: of the generator, at least 1.
      measurements: of the distance after the start, at least 1, and at most one a step.
    """

    alternation: Alternation
    test: Points
    steps: int
    measurements: int

    @property
    def marks(self) -> list[int]:
        """Steps done at each measurement."""
        every = -(-self.steps // self.measurements)
        return [*range(0, self.steps, every), self.steps]

    def __call__(self, key: Array) -> tuple[list[tuple[int, float]], Points]:
        """Sliced Wasserstein distances ``(step, distance)``, and the last samples.

        Raises:
          ConfigError: the samples are not finite.
        """
        init_key, sample_key, step_key = jax.random.split(key, 3)
        draw = jax.jit(partial(self.alternation.samples, key=sample_key, count=len(self.test)))
        directions = random_directions(DIRECTIONS, self.test.shape[1])

        @jax.jit
        def block(state: Alternating, keys: Array) -> Alternating:
            return jax.lax.scan(lambda s, key: (self.alternation(s, key), None), state, keys)[0]

        state = self.alternation.init(init_key)
        samples = np.asarray(draw(state.average))
        curve = [(0, sliced_wasserstein(samples, self.test, directions))]
        with terminal.progress("generator", 0, self.steps) as update:
            for before, done in pairwise(self.marks):
                keys = jax.random.split(jax.random.fold_in(step_key, done), done - before)
                state = block(state, keys)
                samples = np.asarray(draw(state.average))
                _check_finite(samples, done)
                curve.append((done, sliced_wasserstein(samples, self.test, directions)))
                update(done, f"distance {curve[-1][1]:.3f}")
        return curve, samples


def _check_finite(samples: Points, step: int) -> None:
    if not np.isfinite(samples).all():
        raise ConfigError(
            f"the generator's samples are not finite after {step} steps: take a smaller "
            "config.study.generator_rate or estimator_rate"
        )
