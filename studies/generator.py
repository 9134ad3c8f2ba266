"""A generator trained by two denoising density estimators, in alternation."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Float

from gradlog.losses import DenoisingScoreMatching, GeneratorKL
from gradlog.models import ScoreModel
from gradlog.sde_lib import SDE

_AVERAGED = 0.995  # decay of the average over steps


@struct.dataclass
class Alternating:
    """The generator, its average over steps, and the estimator of what it generates."""

    generator: Any
    average: Any
    estimator: Any
    generator_opt: optax.OptState
    estimator_opt: optax.OptState


@dataclass(frozen=True, eq=False)
class Alternation:
    """``inner_steps`` of DSM on generated samples, then one step of the generator down the KL.

    Bigdeli et al. 2020, arXiv:2001.02728. The estimator of the data stays as it is. The generator
    is ``G(n) = n + network(n)`` of a standard normal n shaped like the data.

    Attributes:
      sde: the process whose laws at t are brought together.
      t: the one level of noise.
      model: an energy, of data and of generated samples.
      network: of the generator; it is given the model's noise label at t.
      data_params: of the estimator of the data.
      shape: of one datum.
      inner_steps: of the estimator, to one of the generator.
      batch: samples in a step of either.
      estimator_rate: Adam's.
      generator_rate: Adam's.
    """

    sde: SDE
    t: float
    model: ScoreModel
    network: nn.Module
    data_params: Any
    shape: tuple[int, ...]
    inner_steps: int
    batch: int
    estimator_rate: float
    generator_rate: float

    def init(self, key: jax.Array) -> Alternating:
        """A new generator; the estimator of its samples begins as that of the data."""
        generator = self.network.init(key, jnp.zeros(self.shape), self._label, train=False)
        generator = generator["params"]
        return Alternating(
            generator=generator,
            average=generator,
            estimator=self.data_params,
            generator_opt=optax.adam(self.generator_rate).init(generator),
            estimator_opt=optax.adam(self.estimator_rate).init(self.data_params),
        )

    def generate(self, generator: Any, n: Float[Array, "*D"]) -> Float[Array, "*D"]:
        """``G(n)``."""
        moved: Any = self.network.apply({"params": generator}, n, self._label, train=False)
        return n + moved

    @property
    def _label(self) -> Float[Array, ""]:
        """Constant: a network whose embedding has no value at zero has one here."""
        return jnp.asarray(self.model.label(self.sde, self.t))

    def samples(self, generator: Any, key: jax.Array, count: int) -> Float[Array, "count *D"]:
        """Generated from ``count`` latents."""
        latents = jax.random.normal(key, (count, *self.shape))
        return jax.vmap(partial(self.generate, generator))(latents)

    def __call__(self, state: Alternating, key: jax.Array) -> Alternating:
        """One step of the generator, after those of its estimator."""
        generator_key, *keys = jax.random.split(key, self.inner_steps + 1)
        state, _ = jax.lax.scan(
            lambda carry, key: (self._follow(carry, key), None), state, jnp.stack(keys)
        )
        return self._descend(state, generator_key)

    def _follow(self, state: Alternating, key: jax.Array) -> Alternating:
        """A step of DSM at t on what the generator gives now."""
        sample_key, noise_key = jax.random.split(key)
        x0s = self.samples(state.generator, sample_key, self.batch)
        objective = DenoisingScoreMatching()

        def loss(params):
            score_fn = self.model.score_fn(self.sde, params)
            one = lambda x0, key: objective(self.sde, score_fn, x0, jnp.asarray(self.t), key)  # noqa: E731
            return jnp.mean(jax.vmap(one)(x0s, jax.random.split(noise_key, self.batch)))

        updates, opt = optax.adam(self.estimator_rate).update(
            jax.grad(loss)(state.estimator), state.estimator_opt
        )
        estimator = optax.apply_updates(state.estimator, updates)
        return replace(state, estimator=estimator, estimator_opt=opt)

    def _descend(self, state: Alternating, key: jax.Array) -> Alternating:
        slope = jax.grad(self.kl)(state.generator, state.estimator, key)
        updates, opt = optax.adam(self.generator_rate).update(slope, state.generator_opt)
        generator = optax.apply_updates(state.generator, updates)
        average = optax.incremental_update(generator, state.average, 1 - _AVERAGED)
        return replace(state, generator=generator, average=average, generator_opt=opt)

    def kl(self, generator: Any, estimator: Any, key: jax.Array) -> Float[Array, ""]:
        """``KL(q_t || p_t)`` in nats, up to a constant, by a batch; to be differentiated."""
        sample_key, noise_key = jax.random.split(key)
        objective = GeneratorKL(
            self.sde,
            self.model.log_density_fn(self.sde, self.data_params),
            self.model.log_density_fn(self.sde, estimator),
        )
        x0s = self.samples(generator, sample_key, self.batch)
        keys = jax.random.split(noise_key, self.batch)
        return jnp.mean(jax.vmap(objective, (0, None, 0))(x0s, jnp.asarray(self.t), keys))
