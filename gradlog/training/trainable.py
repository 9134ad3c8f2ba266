"""Models that can be trained: the contract, and the score model with its augmentations."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from gradlog.losses import Loss, Objective, example_keys
from gradlog.models import DiffusionModel

Params = dict[str, Any]  # a tree of parameters for each group


class Example(NamedTuple):
    """One training example.

    Attributes:
      x: the datum as stored.
      u: uniform in [0, 1), stratified over the batch; it may select a noise level.
      condition: the class, if the model is class-conditional.
    """

    x: Num[Array, "*D"]
    u: Float[Array, ""]
    condition: Int[Array, ""] | None = None


class Trainable(Protocol):
    """Parameters in groups, and a loss of one example that depends on them.

    One trainer serves all trainables: the score model, the classifier of noisy data and the
    generator.
    """

    def init(self, key: jax.Array) -> Params:
        """Return the initial parameters by group."""
        ...

    def loss(self, params: Params, example: Example, key: jax.Array) -> Loss:
        """Return the loss of one example; the key is its own (`losses.example_keys`)."""
        ...


class Augmentation(Protocol):
    """A call returns a random variation of a stored datum."""

    def __call__(self, key: jax.Array, x: Num[Array, "*D"]) -> Num[Array, "*D"]: ...


@dataclass(frozen=True)
class Unchanged:
    """No augmentation."""

    def __call__(self, key: jax.Array, x: Num[Array, "*D"]) -> Num[Array, "*D"]:
        del key
        return x


@dataclass(frozen=True)
class RandomFlip:
    """Mirror an image left to right with probability one half."""

    def __call__(self, key: jax.Array, x: Num[Array, "h w c"]) -> Num[Array, "h w c"]:
        return jnp.where(jax.random.bernoulli(key), x[:, ::-1], x)


@dataclass(frozen=True)
class ScoreModelTraining:
    """The training of a diffusion model by an objective.

    With probability ``class_dropout`` a class-conditional model gets no class, so that one network
    learns both scores (Ho & Salimans 2022, arXiv:2207.12598, algorithm 1).

    Attributes:
      model: the diffusion model.
      objective: its loss.
      shape: the shape of one example.
      augmentation: a random variation of the stored data.
      class_dropout: probability in [0, 1].

    Raises:
      ValueError: ``class_dropout`` is no probability.
    """

    model: DiffusionModel
    objective: Objective
    shape: tuple[int, ...]
    augmentation: Augmentation = field(default_factory=Unchanged)
    class_dropout: float = 0.0

    def __post_init__(self):
        if not 0 <= self.class_dropout <= 1:
            raise ValueError(f"class_dropout = {self.class_dropout} must lie in [0, 1]")

    def init(self, key: jax.Array) -> Params:
        return self.model.init(key, self.shape)

    def loss(self, params: Params, example: Example, key: jax.Array) -> Loss:
        keys = example_keys(key)
        condition = example.condition
        if condition is not None:
            dropped = jax.random.bernoulli(keys.class_dropout, self.class_dropout)
            condition = jnp.where(dropped, self.model.num_classes, condition)
        model = self.model.bind(params, dropout_key=keys.dropout)
        x = self.augmentation(keys.augmentation, example.x)
        return self.objective(model, x, example.u, key, condition)
