"""Likelihoods of stored data, from one or several points of the model's space per datum."""

import math
from dataclasses import dataclass, replace
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Num

from gradlog.likelihood.base import Likelihood, LogProb, runs_on_host, split_keys
from gradlog.likelihood.divergences import sample_variance_of_mean
from gradlog.likelihood.parts import DEQUANTIZATION, IMPORTANCE
from gradlog.models import BoundModel
from gradlog.sde_lib import Process


class StoredLikelihood(Protocol):
    """Estimators of the log probability of stored data, without the unit offset.

    The keys belong to the examples. The parts include the dequantization's ``-log q(u)``.
    """

    def __call__(
        self,
        model: BoundModel,
        xs: Num[Array, "batch *D"],
        keys: jax.Array,
    ) -> LogProb: ...


@dataclass(frozen=True)
class OneDraw:
    """``log p(x(u)) - log q(u)`` at one draw of u: a lower bound on average (Theis et al. 2016).

    With a `Decoder` the likelihood is that of the levels themselves, without u.
    """

    likelihood: Likelihood

    @property
    def accepts(self) -> type[Process]:
        return self.likelihood.accepts

    @property
    def on_host(self) -> bool:
        return runs_on_host(self.likelihood)

    def __call__(
        self,
        model: BoundModel,
        xs: Num[Array, "batch *D"],
        keys: jax.Array,
    ) -> LogProb:
        return at_draw(self.likelihood, model, xs, *split_keys(keys))

    def tightened(self) -> "OneDraw | None":
        """Return the same with a tighter likelihood; None if that has nothing to tighten."""
        tighter = tightened(self.likelihood)
        return tighter and replace(self, likelihood=tighter)


@dataclass(frozen=True)
class AsStored:
    """``log P(x)`` of tokens as they are: a discrete process needs no dequantization."""

    likelihood: Likelihood

    @property
    def accepts(self) -> type[Process]:
        return self.likelihood.accepts

    def __call__(
        self,
        model: BoundModel,
        xs: Num[Array, "batch *D"],
        keys: jax.Array,
    ) -> LogProb:
        points, _ = jax.vmap(model.dequantize)(keys, xs)  # it draws nothing
        return self.likelihood(model, points, keys)


@dataclass(frozen=True)
class ImportanceWeighted:
    """``log (1/K) sum_k p(x(u_k)) / q(u_k)`` over K draws: a tighter bound on average.

    Burda et al. 2016, arXiv:1509.00519, eq. 8; the expectation increases with K to ``log P``. K is
    ``samples``, and K = 1 is ``OneDraw``. The parts are means over the draws; 'importance' is the
    rest and never negative.

    All draws of a datum share the likelihood's key. Independent errors e_k of log p with variance v
    (nats^2) would increase the result by about v/2 on average, as the spread of the dequantization
    rightly does: an upward bias. With one set of probes the errors are nearly the same for all
    draws, which differ within a level only. A common error passes through the logarithm unchanged.
    The noise at eps is common as well: one draw for all. Draws run one after the other, so they
    need the memory of one.
    """

    likelihood: Likelihood
    samples: int = 20

    @property
    def accepts(self) -> type[Process]:
        return self.likelihood.accepts

    def __call__(
        self,
        model: BoundModel,
        xs: Num[Array, "batch *D"],
        keys: jax.Array,
    ) -> LogProb:
        draw_keys, likelihood_keys = split_keys(keys)

        def draw(k: Int[Array, ""]) -> LogProb:
            # The first draw is that of OneDraw, for paired comparisons.
            own = jnp.where(
                k == 0, draw_keys, jax.vmap(jax.random.fold_in, (0, None))(draw_keys, k)
            )
            return at_draw(self.likelihood, model, xs, own, likelihood_keys)

        return log_mean_exp(jax.lax.map(draw, jnp.arange(self.samples)))

    def tightened(self) -> "ImportanceWeighted | None":
        """Return the same with a tighter likelihood; None if that has nothing to tighten."""
        tighter = tightened(self.likelihood)
        return tighter and replace(self, likelihood=tighter)


def at_draw(
    likelihood: Likelihood,
    model: BoundModel,
    xs: Num[Array, "batch *D"],
    draw_keys: jax.Array,
    likelihood_keys: jax.Array,
) -> LogProb:
    """Return ``log p(x(u)) - log q(u)`` at the dequantization u that the first keys draw."""
    points, log_q = jax.vmap(model.dequantize)(draw_keys, xs)
    log_prob = likelihood(model, points, likelihood_keys)
    if model.log_scale is None:  # a probability of the levels: nothing was dequantized
        return log_prob
    return replace(log_prob, parts=log_prob.parts | {DEQUANTIZATION: -log_q})


def log_mean_exp(draws: LogProb) -> LogProb:
    """Return one estimate from draws along a first axis, with the error of the delta method.

    The error is ``sd(w) / (sqrt(K) mean(w))`` with ``w_k = exp(nats_k)``; NaN for a single draw.
    Errors of other sources are common to the draws, so their mean is that of the result.
    """
    nats, count = draws.nats, len(draws.nats)
    means = {name: jnp.mean(part, axis=0) for name, part in draws.parts.items()}
    weights = jax.nn.softmax(nats, axis=0)  # each w_k / (K mean(w))
    gain = jax.nn.logsumexp(nats, axis=0) - math.log(count) - jnp.mean(nats, axis=0)
    spread = count * jnp.sqrt(sample_variance_of_mean(weights.T))
    return replace(
        jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0) if jnp.ndim(leaf) else leaf, draws),
        parts=means | {IMPORTANCE: gain},
        errors={name: jnp.mean(error, axis=0) for name, error in draws.errors.items()}
        | {"dequantization": spread},
        latent=draws.latent[0],
        nfe=jnp.sum(draws.nfe, axis=0),
        jvps=jnp.sum(draws.jvps, axis=0),
        ok=jnp.all(draws.ok, axis=0),
        freedom=jnp.full(nats.shape[1:], count - 1.0),
        refine=jnp.any(jnp.atleast_1d(draws.refine), axis=0),
    )


def tightened(likelihood: Any) -> Any:
    """Return an estimator with tighter numerics; None if it has nothing to tighten."""
    return likelihood.tightened() if hasattr(likelihood, "tightened") else None


def planner(likelihood: Any) -> Any:
    """Return the estimator inside, if a model must be measured to plan it; else None.

    It has ``measure`` and ``plan``; see `planned.Planned`.
    """
    inner = getattr(likelihood, "likelihood", likelihood)
    return inner if hasattr(inner, "plan") else None


def follow(likelihood: Any, colors: Any) -> Any:
    """Return an estimator that follows the plan of its planner; None changes nothing."""
    if colors is None:
        return likelihood
    if hasattr(likelihood, "likelihood"):
        return replace(likelihood, likelihood=follow(likelihood.likelihood, colors))
    return replace(likelihood, node_colors=colors)
