"""Log probabilities of models of tokens: the bound; with masks also by orders, and exact.

A masked model gives ``p(x_l | x_S)`` for every set S of visible positions and every l outside.
To reveal the positions in a uniformly drawn order makes a law of x of it:

``p(x) = mean over orders o of prod_j p(x_{o_j} | x_{o_1}, ..., x_{o_{j-1}})``.

By Jensen's inequality the mean over orders of the log of the product is a lower bound on ``log p``,
which is the bound of the diffusion (Hoogeboom et al. 2022, arXiv:2110.02037).
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gradlog.likelihood.base import LogProb, PerExample, check_pairs
from gradlog.likelihood.divergences import sample_variance_of_mean
from gradlog.likelihood.parts import PRIOR, Part
from gradlog.losses import cross_entropy, draw_by_count, log_probs, score_entropy
from gradlog.models import BoundModel
from gradlog.sde_lib import Absorbing, Discrete, JumpProcess, Masking

TOKENS = Part("tokens", 22, "minus the cross-entropy of the masked tokens, over all masks")
JUMPS = Part("jumps", 22, "minus the score entropy of the jumps of all tokens, over all times")
SETS = Part("sets", 23, "log probability, by a sum over all sets of visible positions")
ORDERS = Part("orders", 61, "gain of the log of the mean over orders over the mean of the logs")
UPPER = Part("upper", 62, "distance to an upper bound, whose orders are independent")

Tokens = Int[Array, "*D"]
_MOST_POSITIONS = 14


@dataclass(frozen=True)
class StratifiedBound(PerExample):
    """A lower bound on ``log p(x)``: minus the mean of a cost over a uniform u, and the prior.

    The u are stratified: two of the ``samples`` fall into each of equal cells, each with noise of
    its own. The standard error comes from the differences inside the cells. ``chunk`` draws are
    evaluated at once.

    Attributes:
      PART: the cost in the account.
      SOURCE: the name of its error.

    Raises:
      ValueError: ``samples`` is odd, or below two.
    """

    PART: ClassVar[Part]
    SOURCE: ClassVar[str]

    samples: int
    chunk: int = 128

    def __post_init__(self):
        check_pairs(self.samples)

    @abstractmethod
    def draw(
        self, model: BoundModel, x: Tokens, u: Float[Array, ""], key: jax.Array
    ) -> Float[Array, ""]:
        """Return a draw of the cost in nats."""

    def prior(self, process: Discrete, length: int) -> Float[Array, ""]:
        """Return the log probability of what the prior has to know."""
        del process, length
        return jnp.zeros(())

    def one(self, model: BoundModel, x: Tokens, key: jax.Array) -> LogProb:
        def cost(position_and_key):
            position, key = position_and_key
            u_key, noise_key = jax.random.split(key)
            u = 2 * (position // 2 + jax.random.uniform(u_key)) / self.samples
            return self.draw(model, x, u, noise_key)

        inputs = jnp.arange(self.samples), jax.random.split(key, self.samples)
        drawn = jax.lax.map(cost, inputs, batch_size=min(self.chunk, self.samples)) / self.samples
        pairs = drawn.reshape(-1, 2)
        variance = jnp.sum((pairs[:, 0] - pairs[:, 1]) ** 2)
        return _log_prob(
            model.process,
            x,
            parts={PRIOR: self.prior(model.process, x.size), self.PART: -jnp.sum(drawn)},
            errors={self.SOURCE: jnp.sqrt(variance)},
            nfe=self.samples,
            freedom=self.samples / 2,
        )


@dataclass(frozen=True)
class MaskedBound(StratifiedBound):
    """The bound of the process (`Absorbing`), for `Masking` in continuous time.

    The cost is the cross-entropy of masked tokens. The number of masks is drawn, not the time.
    """

    accepts = Absorbing
    PART, SOURCE = TOKENS, "masks"

    def draw(
        self, model: BoundModel, x: Tokens, u: Float[Array, ""], key: jax.Array
    ) -> Float[Array, ""]:
        x_t, weight = draw_by_count(model.process, x, u, key)
        return weight * cross_entropy(model, x, x_t)

    def prior(self, process: Absorbing, length: int) -> Float[Array, ""]:
        return process.prior_log_prob(length)


@dataclass(frozen=True)
class JumpBound(StratifiedBound):
    """The bound of a `JumpProcess` in continuous time, whose prior costs nothing.

    The cost is the score entropy of all jumps. The number of noisy tokens is drawn, not the time.
    """

    accepts = JumpProcess
    PART, SOURCE = JUMPS, "noise"

    def draw(
        self, model: BoundModel, x: Tokens, u: Float[Array, ""], key: jax.Array
    ) -> Float[Array, ""]:
        x_t, t, weight = model.process.perturb_by_count(x, u, key)
        return weight * score_entropy(model, x, x_t, t)


@dataclass(frozen=True)
class Orders(PerExample):
    """``log (1/K) sum_k p(x | o_k)`` over K drawn orders: a tighter bound on average.

    The expectation grows with K to ``log p`` (Burda et al. 2016, arXiv:1509.00519, eq. 8), and K =
    1 is one unbiased draw of the bound. An order costs an evaluation for each position. The error
    is that of the delta method; NaN for one order. ``chunk`` evaluations are made at once.
    """

    accepts = Masking

    orders: int = 4
    chunk: int = 128

    def one(self, model: BoundModel, x: Tokens, key: jax.Array) -> LogProb:
        nats = _log_probs_of_orders(model, x, key, self.orders, self.chunk)
        return _log_prob(
            model.process,
            x,
            parts={PRIOR: jnp.zeros(()), TOKENS: jnp.mean(nats), ORDERS: _gain(nats)},
            errors={"orders": _error_of_log_mean(nats)},
            nfe=self.orders * x.size,
            freedom=self.orders - 1,
        )


@dataclass(frozen=True)
class UpperBound(PerExample):
    """An upper bound on ``log p(x)`` on average, so that with `Orders` it is known from both sides.

    ``log p <= log psi + p/psi - 1`` for every psi > 0, and p/psi may be estimated without bias:
    by the mean of one half of the orders, where psi is the mean of the other half. Both ways round
    are averaged. The bound is tight if all orders agree.

    The term p/psi has a heavy tail: where a drawn psi is far too small, one datum may carry the
    mean of all. The part 'upper' of each datum and the standard error of its mean show it. The
    error of one datum is that of the delta method, NaN for two orders. An order costs an evaluation
    for each position.

    Raises:
      ValueError: ``orders`` is odd, or below two.
    """

    accepts = Masking

    orders: int = 4
    chunk: int = 128

    def __post_init__(self):
        if self.orders < 2 or self.orders % 2:
            raise ValueError(
                f"orders = {self.orders} must be even and at least 2: half of them for psi"
            )

    def one(self, model: BoundModel, x: Tokens, key: jax.Array) -> LogProb:
        nats = _log_probs_of_orders(model, x, key, self.orders, self.chunk)
        halves = nats.reshape(2, -1)
        log_means = jax.nn.logsumexp(halves, axis=1) - math.log(self.orders / 2)
        ratios = jnp.exp(log_means[::-1] - log_means)
        mean, gain = jnp.mean(nats), _gain(nats)
        bound = jnp.mean(log_means + ratios - 1)
        slopes = 0.5 * (1 - ratios + ratios[::-1])  # of the bound by each log mean
        return _log_prob(
            model.process,
            x,
            parts={PRIOR: jnp.zeros(()), TOKENS: mean, ORDERS: gain, UPPER: bound - mean - gain},
            errors={"orders": jnp.linalg.norm(slopes * _error_of_log_mean(halves))},
            nfe=self.orders * x.size,
            freedom=self.orders - 2,
        )


def _log_probs_of_orders(
    model: BoundModel, x: Tokens, key: jax.Array, orders: int, chunk: int
) -> Float[Array, " orders"]:
    """Return ``log p(x | o)`` of drawn orders o, in nats."""
    keys, length = jax.random.split(key, orders), x.size
    ranks = jax.vmap(lambda k: jax.random.permutation(k, length))(keys)

    def step(place):
        order, j = place // length, place % length
        rank = ranks[order].reshape(x.shape)
        visible = jnp.where(rank < j, x, model.process.mask)
        return jnp.sum(jnp.where(rank == j, log_probs(model, x, visible), 0.0))

    count = orders * length
    steps = jax.lax.map(step, jnp.arange(count), batch_size=min(chunk, count))
    return jnp.sum(steps.reshape(orders, length), axis=1)


def _gain(nats: Float[Array, " orders"]) -> Float[Array, ""]:
    """Return the log of the mean minus the mean of the logs."""
    return jax.nn.logsumexp(nats) - math.log(len(nats)) - jnp.mean(nats)


def _error_of_log_mean(nats: Float[Array, "*n orders"]) -> Float[Array, "*n"]:
    """Return the standard error of the log of the mean by the delta method; NaN for one order."""
    return nats.shape[-1] * jnp.sqrt(sample_variance_of_mean(jax.nn.softmax(nats)))


@dataclass(frozen=True)
class ExactBySubsets(PerExample):
    """``log p(x)`` exactly, by a sum over all sets of visible positions instead of all orders.

    With ``A(S)`` the mean over the orders of S of the product of its terms, ``A({}) = 1`` and
    ``A(S) = mean over l in S of A(S without l) p(x_l | x_(S without l))``: ``2^L`` evaluations. It
    is an oracle for at most 14 positions. ``chunk`` evaluations are made at once.
    """

    accepts = Masking

    chunk: int = 128

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Check that data of this shape have few enough positions.

        Raises:
          ValueError: they have too many.
        """
        if math.prod(shape) > _MOST_POSITIONS:
            raise ValueError(
                f"an exact sum takes 2^d evaluations, d at most {_MOST_POSITIONS}; data of shape "
                f"{shape} have d = {math.prod(shape)}: choose 'bound' or 'orders'"
            )

    def one(self, model: BoundModel, x: Tokens, key: jax.Array) -> LogProb:
        del key
        self.check_shape(x.shape)
        length = x.size
        members = np.arange(2**length)[:, None] >> np.arange(length) & 1  # a row for each set

        def terms(visible):
            x_s = jnp.where(visible.reshape(x.shape), x, model.process.mask)
            return log_probs(model, x, x_s).reshape(-1)

        visible = jnp.asarray(members, bool)
        known = jax.lax.map(terms, visible, batch_size=min(self.chunk, len(members)))
        # The term of l in S stands in the row of S without l; sets are filled in by their size.
        places, positions = np.arange(len(members))[:, None], np.arange(length)
        smaller, sizes = places ^ (1 << positions), members.sum(axis=1)
        total = jnp.zeros(len(members), known.dtype)
        for size in range(1, length + 1):
            sets = np.flatnonzero(sizes == size)
            inside = jnp.asarray(members[sets], bool)
            before = total[smaller[sets]] + known[smaller[sets], positions]
            sums = jax.nn.logsumexp(jnp.where(inside, before, -jnp.inf), axis=1)
            total = total.at[sets].set(sums - math.log(size))
        return _log_prob(
            model.process,
            x,
            parts={PRIOR: jnp.zeros(()), SETS: total[-1]},
            errors={},
            nfe=len(members),
            freedom=math.inf,
        )


def _log_prob(
    process: Discrete,
    x: Tokens,
    *,
    parts: dict[Part, Float[Array, ""]],
    errors: dict[str, Float[Array, ""]],
    nfe: int,
    freedom: float,
) -> LogProb:
    """Return the result of an estimator that draws no path: its latent is an end of one."""
    return LogProb(
        parts=parts,
        errors=errors,
        discretization=jnp.asarray(jnp.nan),
        latent=process.prior_sample(jax.random.key(0), x.shape),
        nfe=jnp.asarray(nfe),
        jvps=jnp.asarray(0),
        ok=jnp.isfinite(sum(parts.values(), start=jnp.zeros(()))),
        freedom=jnp.asarray(float(freedom)),
    )
