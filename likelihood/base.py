"""The contract of a likelihood estimator."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from gradlog.sde_lib import SDE

ScoreFn = Callable[[Any, Any], Any]
PriorLogProb = Callable[[Float[Array, "*D"]], Float[Array, ""]]


@struct.dataclass
class LogProb:
    """What every estimator returns, one entry per example.

    ``parts`` are the terms of the estimate of (or bound on) ``log p(x)`` in the model's data space,
    in nats. ``errors`` are standard errors of their sum, in nats, by what is random: 'probes' of a
    divergence, 'time' (with the noises drawn at those times), 'dequantization'; NaN where a single
    draw gives none. ``discretization`` is the change, in nats, by the last refinement of a
    discretization, larger than what is left; NaN where the estimator has none. ``latent`` is
    the end of the path at t_max, where there is one. ``nfe`` counts values of the score, ``jvps``
    products of its Jacobian with a vector. ``ok`` is false where a solver failed. ``freedom`` is
    that of Student's t: an interval of 95 per cent is as many standard errors wide as its quantile.
    """

    parts: dict[str, Float[Array, " batch"]]
    errors: dict[str, Float[Array, " batch"]]
    discretization: Float[Array, " batch"]
    latent: Float[Array, "batch *D"]
    nfe: Int[Array, " batch"]
    jvps: Int[Array, " batch"]
    ok: Bool[Array, " batch"]
    freedom: Float[Array, " batch"] | float = float("inf")

    @property
    def nats(self) -> Float[Array, " batch"]:
        """The estimate: the sum of the parts, in their own precision."""
        return sum(self.parts.values(), start=jnp.zeros(()))

    @property
    def standard_error(self) -> Float[Array, " batch"]:
        """Of the estimator's own randomness altogether, in nats: its sources are independent."""
        squares = [jnp.square(error) for error in self.errors.values()]
        return jnp.sqrt(sum(squares, start=jnp.zeros(self.ok.shape)))


class Likelihood(Protocol):
    """Estimates the log density of a batch; the keys belong to the examples, one each."""

    def __call__(
        self,
        sde: SDE,
        score_fn: ScoreFn,
        xs: Float[Array, "batch *D"],
        keys: jax.Array,
    ) -> LogProb: ...


class PerExample:
    """For estimators that treat every example by itself: ``_one`` is mapped over the batch."""

    def __call__(
        self,
        sde: SDE,
        score_fn: ScoreFn,
        xs: Float[Array, "batch *D"],
        keys: jax.Array,
    ) -> LogProb:
        return jax.vmap(lambda x, key: self._one(sde, score_fn, x, key))(xs, keys)

    @abstractmethod
    def _one(
        self, sde: SDE, score_fn: ScoreFn, x: Float[Array, "*D"], key: jax.Array
    ) -> LogProb: ...


def two_keys(keys: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Two keys for each of the given ones.

    Never one key for two things: a random sign is a bit of a uniform draw of the same key.
    """
    first, second = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
    return first, second


def runs_on_host(likelihood: Callable[..., LogProb]) -> bool:
    """Whether an estimator cannot be traced: it has an attribute ``on_host`` that says so.

    It must be given the examples that count and no others, and a ``score_fn`` to compile itself.
    """
    return getattr(likelihood, "on_host", False)
