"""A model with its parameters, as samplers, estimators and objectives need it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
from flax import struct
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int, Num

from gradlog.models.dequantizers import Continuous, Dequantizer
from gradlog.sde_lib import LatentPath
from gradlog.sde_lib.pytree import pytree

Time = Float[Array, ""] | float
Condition = Int[Array, ""] | int | None
ScoreFn = Callable[..., Any]


@pytree
class BoundModel:
    """A forward process and its score, or its logits, parameters included.

    A continuous process has a score, ``grad log p_t``. What takes its place for a discrete process
    are the logits of the clean tokens, and for a `ConditionalPath` the estimate of the datum.

    A bound model is a pytree, so it may be an argument of a jitted function. Gradients flow through
    the numbers of the process as well as through those of the network. `DiffusionModel.bind` makes
    one from a network. ``BoundModel(process, distribution.score_fn(process))`` makes one from a
    distribution with a known score.

    >>> import jax.numpy as jnp
    >>> from gradlog.distributions import Gaussian
    >>> from gradlog.models import BoundModel
    >>> from gradlog.sde_lib import VP
    >>> data = Gaussian(mean=jnp.zeros(2), std=jnp.ones(2))
    >>> model = BoundModel(VP(), data.score_fn(VP()))
    >>> [f"{value:.3f}" for value in model.score(jnp.array([1.0, -2.0]), 0.5)]
    ['-1.000', '2.000']

    Attributes:
      process: the forward process, with its trained numbers.
      score_fn: ``(x, t) -> s`` for one example, or ``(x, t, condition) -> s`` if a condition is
        bound. For a discrete process s are the logits of each position, (*D, levels). A plain
        function is wrapped in `jax.tree_util.Partial`.
      dequantizer: the map between stored data and points of the model's space.
      condition: the class of the score; None for the score of all classes together.
    """

    process: Any
    score_fn: ScoreFn
    dequantizer: Dequantizer = struct.field(default_factory=Continuous)
    condition: Condition = None

    def __post_init__(self) -> None:
        if not isinstance(self.score_fn, Partial):
            object.__setattr__(self, "score_fn", Partial(self.score_fn))

    def score(self, x: Float[Array, "*D"], t: Time) -> Float[Array, "*D"]:
        """Return ``grad_x log p_t(x)`` for one point x at time t, per unit of the model's space."""
        if self.condition is None:
            return self.score_fn(x, t)
        return self.score_fn(x, t, self.condition)

    def logits(self, x: Int[Array, "*D"], t: Time = 1.0) -> Float[Array, "*D levels"]:
        """Return ``log p(x0_l = v | x)`` in nats for each position l and token v, normalized.

        This is for a discrete process. With masks only the rows of masked positions have a meaning,
        and the time has none.
        """
        return jax.nn.log_softmax(self.score(x, t))

    def datum(self, x: Float[Array, "*D"], t: Time) -> Float[Array, "*D"]:
        """Return the model's estimate of the datum of a point of a `ConditionalPath` at time t."""
        return self.score(x, t)

    def conditioned(self, condition: Condition) -> "BoundModel":
        """Return the model of one class, 0 .. num_classes - 1, or of all classes for None."""
        return self.replace(condition=condition)

    def dequantize(
        self, key: jax.Array, x: Num[Array, "*D"]
    ) -> tuple[Float[Array, "*D"], Float[Array, ""]]:
        """Return a point x0 of the model's space for a stored datum, and ``log q`` in nats.

        The model's space has the coordinates of the process.
        """
        x0, log_q = self.dequantizer(key, x)
        return self.process.basis.coordinates(x0), log_q

    def encode_latent(
        self, x0: Float[Array, "*D"], key: jax.Array
    ) -> tuple["BoundModel", Float[Array, ""] | None]:
        """Return the model given a latent drawn for x0, and the KL of the latent in nats.

        A model whose process has no latent is returned as it is, without a KL.
        """
        if not isinstance(self.process, LatentPath):
            return self, None
        z, kl = self.process.encode(x0, key)
        return self._given(z), kl

    def draw_latent(self, key: jax.Array) -> "BoundModel":
        """Return the model given a latent of the prior; without a latent the model as it is."""
        if not isinstance(self.process, LatentPath):
            return self
        return self._given(self.process.draw(key))

    def _given(self, z: Float[Array, " n"]) -> "BoundModel":
        """Return the model given a latent, also in the score's arguments."""
        is_latent = lambda node: isinstance(node, LatentPath)  # noqa: E731
        given = lambda node: node.given(z) if is_latent(node) else node  # noqa: E731
        return jax.tree.map(given, self, is_leaf=is_latent)

    def to_data(self, x0: Float[Array, "*D"]) -> Num[Array, "*D"]:
        """Return the stored datum of a point of the model's space."""
        return self.dequantizer.to_data(self.process.basis.data(x0))

    @property
    def log_scale(self) -> float | None:
        """Nats per dimension: the log of stored units per unit of the model's space.

        None for a model of probabilities, such as one of tokens: it has no units.
        """
        return self.dequantizer.log_scale

    def replace(self, **changes: Any) -> "BoundModel":
        """Return a copy with some attributes changed."""
        return dataclasses.replace(self, **changes)
