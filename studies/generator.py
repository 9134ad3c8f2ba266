"""A generator and the estimator of its samples, trained in turn by one training step.

Bigdeli et al. 2020, "Learning Generative Models using Denoising Density Estimators",
arXiv:2001.02728. Parameters lie in two groups, "generator" and "estimator". Each of the two losses
trains one group while the other is frozen. The estimator of the data never changes.
"""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from gradlog import terminal
from gradlog.config_error import ConfigError
from gradlog.evaluation.distances import random_directions, sliced_wasserstein
from gradlog.losses import DenoisingScoreMatching, GeneratorKL, Loss, example_keys
from gradlog.models import DiffusionModel, Params
from gradlog.training import (
    Example,
    ParameterGroup,
    Trainable,
    TrainState,
    TrainStep,
    init_state,
)

GENERATOR, ESTIMATOR = "generator", "estimator"
DIRECTIONS = 64  # of the sliced Wasserstein distance
_EMA_DECAY = 0.995  # of the generator's average
Points = Float[np.ndarray, "n d"]


@dataclass(frozen=True)
class Generator:
    """``G(n) = n + network(n)`` of a standard normal n shaped like the data.

    Attributes:
      network: ``(n, label, *, train) -> array`` shaped like n.
      label: a constant noise label of the network, because an embedding may have no value at zero.
      shape: of one datum.
    """

    network: nn.Module
    label: float
    shape: tuple[int, ...]

    def init(self, key: Array) -> Any:
        """Return initial parameters."""
        label = jnp.asarray(self.label)
        return self.network.init(key, jnp.zeros(self.shape), label, train=False)["params"]

    def __call__(self, params: Any, n: Float[Array, "*D"]) -> Float[Array, "*D"]:
        """Return ``G(n)``."""
        moved: Any = self.network.apply({"params": params}, n, jnp.asarray(self.label), train=False)
        return n + moved

    def sample(self, params: Any, key: Array, count: int) -> Float[Array, "count *D"]:
        """Return samples from ``count`` latents."""
        latents = jax.random.normal(key, (count, *self.shape))
        return jax.vmap(self, (None, 0))(params, latents)


@dataclass(frozen=True)
class _TwoGroups:
    """The parameters of both trainables below; their examples are latents n.

    Attributes:
      generator: the generator.
      model: an energy; the architecture of both estimators, and the process.
      data_params: the parameters of the estimator of the data.
      t: the time of the one noise level.
    """

    generator: Generator
    model: DiffusionModel
    data_params: Params
    t: float

    def init(self, key: Array) -> Params:
        """Return a new generator; the estimator of its samples starts as that of the data."""
        return {GENERATOR: self.generator.init(key), ESTIMATOR: self.data_params}


class EstimatorTraining(_TwoGroups):
    """Denoising score matching at t on generated samples."""

    def loss(self, params: Params, example: Example, key: Array) -> Loss:
        x0 = self.generator(params[GENERATOR], example.x)
        model, t = self.model.bind(params[ESTIMATOR]), jnp.asarray(self.t)
        return Loss(DenoisingScoreMatching()(model, x0, t, example_keys(key).integrand), {})


class GeneratorTraining(_TwoGroups):
    """``KL(q_t || p_t)`` of generated samples q and data p in nats, up to a constant."""

    def loss(self, params: Params, example: Example, key: Array) -> Loss:
        x0 = self.generator(params[GENERATOR], example.x)
        kl = GeneratorKL(
            self.model.bind(self.data_params).process,
            self.model.log_density_fn(self.data_params),
            self.model.log_density_fn(params[ESTIMATOR]),
        )
        return Loss(kl(x0, jnp.asarray(self.t), example_keys(key).integrand), {})


@dataclass(frozen=True)
class Alternation:
    """Rounds of ``inner_steps`` training steps of the estimator and one step of the generator.

    Attributes:
      generator, model, data_params, t: see `_TwoGroups`.
      inner_steps: number of the estimator's steps in a round.
      batch: number of samples in a step.
      estimator_rate: Adam's learning rate.
      generator_rate: Adam's learning rate.
    """

    generator: Generator
    model: DiffusionModel
    data_params: Params
    t: float
    inner_steps: int
    batch: int
    estimator_rate: float
    generator_rate: float

    @cached_property
    def groups(self) -> dict[str, ParameterGroup]:
        """Both groups as they are trained in their turn."""
        return {
            GENERATOR: ParameterGroup(optax.adam(self.generator_rate), _EMA_DECAY, False),
            ESTIMATOR: ParameterGroup(optax.adam(self.estimator_rate), 0.0, False),
        }

    def init(self, key: Array) -> TrainState:
        """Return the state before the first round."""
        trainable = GeneratorTraining(self.generator, self.model, self.data_params, self.t)
        return init_state(trainable.init(key), self.groups)

    def round(self, state: TrainState, key: Array) -> TrainState:
        """Return the state after one round.

        All random numbers are functions of the key and the state's step. If a loss or a gradient is
        not finite, the state stands still, and its step with it.
        """
        losses = [
            member(self.generator, self.model, self.data_params, self.t)
            for member in (EstimatorTraining, GeneratorTraining)
        ]
        train_estimator = partial(self._train, losses[0], ESTIMATOR, key)
        state, _ = jax.lax.scan(
            lambda state, _: (train_estimator(state), None), state, length=self.inner_steps
        )
        return self._train(losses[1], GENERATOR, key, state)

    def _train(self, trainable: Trainable, trained: str, key: Array, state: TrainState):
        """Return the state after one training step of one group; the other is frozen."""
        frozen = dict.fromkeys(self.groups, ParameterGroup(None))
        step = TrainStep(trainable, frozen | {trained: self.groups[trained]}, self.batch)
        latent_key, loss_key = jax.random.split(key)
        shape = (self.batch, *self.generator.shape)
        latents = jax.random.normal(jax.random.fold_in(latent_key, state.step), shape)
        own = replace(state, opt_state={trained: state.opt_state[trained]})
        loss, grads = step.loss_and_grads(loss_key, own, latents, jnp.arange(self.batch))
        after, _ = step.update(own, loss, grads, state.step + 1)
        return replace(after, opt_state=state.opt_state | after.opt_state)


def measurement_rounds(rounds: int, measurements: int) -> list[int]:
    """Return the numbers of rounds after which the distance is measured, from 0 on."""
    return [*range(0, rounds, -(-rounds // measurements)), rounds]


def train_generator(
    alternation: Alternation, test: Points, rounds: int, measurements: int, key: Array
) -> tuple[list[tuple[int, float]], Points]:
    """Train a generator; measure the distance between its samples and test data along the way.

    Args:
      alternation: its settings.
      test: data; as many samples are compared with them.
      rounds: number of rounds, at least 1.
      measurements: number of measurements after the start, from 1 to one a round.
      key: of all random numbers.

    Returns:
      Sliced Wasserstein distances ``(round, distance)``, and the last samples of the average.

    Raises:
      ConfigError: a loss, a gradient or a sample is not finite.
    """
    init_key, sample_key, step_key = jax.random.split(key, 3)
    sample = jax.jit(
        lambda state: alternation.generator.sample(state.ema[GENERATOR], sample_key, len(test))
    )
    directions = random_directions(DIRECTIONS, test.shape[1])

    @partial(jax.jit, static_argnames="length")
    def train_block(state: TrainState, length: int) -> TrainState:
        each = lambda state, _: (alternation.round(state, step_key), None)  # noqa: E731
        return jax.lax.scan(each, state, length=length)[0]

    state = alternation.init(init_key)
    samples = np.asarray(sample(state))
    curve = [(0, sliced_wasserstein(samples, test, directions))]
    with terminal.progress("generator", 0, rounds) as update:
        for before, done in pairwise(measurement_rounds(rounds, measurements)):
            state = train_block(state, done - before)
            samples = np.asarray(sample(state))
            stopped = int(state.step) < done * (alternation.inner_steps + 1)
            if stopped or not np.isfinite(samples).all():
                raise ConfigError(
                    f"the generator's loss or samples are not finite after {done} steps: take a "
                    "smaller config.study.generator_rate or estimator_rate"
                )
            curve.append((done, sliced_wasserstein(samples, test, directions)))
            update(done, f"distance {curve[-1][1]:.3f}")
    return curve, samples
