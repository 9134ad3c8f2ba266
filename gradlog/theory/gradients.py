"""The variance of an objective's gradient, and the gap between two objectives of equal gradient."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gradlog.distributions import Distribution, Estimate, monte_carlo
from gradlog.losses import DenoisingScoreMatching, ExplicitScoreMatching, add_noise
from gradlog.models import BoundModel
from gradlog.sde_lib import SDE

Params = Any
ScoreFn = Callable[[Any, Any], Any]
# ``(params, key, *conditions) -> loss``
LossOfParams = Callable[..., Float[Array, ""]]


@dataclass(frozen=True)
class GradientMoments:
    """Mean and variance of the gradient of one draw of a loss.

    Attributes:
      mean: over the draws, a pytree like the parameters.
      variances: of one draw, for each parameter.
      total_variance: sum of the variances, which is the trace of the covariance.
      standard_error: of the total variance.
      draws: number of draws.
    """

    mean: Params
    variances: Params
    total_variance: float
    standard_error: float
    draws: int

    @property
    def mean_norm(self) -> float:
        """Estimate of ``||E g||``: the variance of the mean is subtracted from ``||mean||^2``."""
        leaves = jax.tree.leaves(self.mean)
        square = sum(float(np.sum(np.square(leaf, dtype=np.float64))) for leaf in leaves)
        return math.sqrt(max(square - self.total_variance / self.draws, 0.0))


@dataclass(frozen=True)
class GradientMeter:
    """Estimator of the moments of ``grad loss(params, key, *conditions)`` over independent keys.

    For two draws a and b, ``1/2 (a - b)^2`` is an unbiased estimate of the variance. Such pairs
    need one pass over the draws. They are independent, so their spread gives the standard error.
    The meter compiles once for all parameters and conditions.

    Attributes:
      loss: one draw of a loss, for one example or for a batch.
      chunk: number of gradients in memory at once, even.

    Raises:
      ValueError: the chunk is odd or not positive; when called, the number of keys is odd or below
        four.
    """

    loss: LossOfParams
    chunk: int = 64

    def __post_init__(self) -> None:
        if self.chunk % 2 or self.chunk < 2:
            raise ValueError(f"chunk must be even and positive, got {self.chunk}")

    def __call__(self, params: Params, keys: Array, *conditions: Any) -> GradientMoments:
        if len(keys) % 2 or len(keys) < 4:
            raise ValueError(f"keys must be even in number and at least 4, got {len(keys)}")
        # Not a scan: gradients of convolutions inside loops are many times slower on CPU.
        chunks = [keys[i : i + self.chunk] for i in range(0, len(keys), self.chunk)]
        sums = [jax.device_get(self._chunk_sums(params, some, *conditions)) for some in chunks]
        grads, pairs, totals = zip(*sums, strict=True)
        totals = np.concatenate(totals).astype(np.float64)
        return GradientMoments(
            mean=jax.tree.map(lambda *parts: np.sum(parts, axis=0) / len(keys), *grads),
            variances=jax.tree.map(lambda *parts: np.sum(parts, axis=0) / len(totals), *pairs),
            total_variance=float(totals.mean()),
            standard_error=float(totals.std(ddof=1) / math.sqrt(len(totals))),
            draws=len(keys),
        )

    @cached_property
    def _chunk_sums(self) -> Callable:
        """Compiled sums of a chunk's gradients and squared pairs, and each pair's total."""

        @jax.jit
        def chunk_sums(params, keys, *conditions):
            one = lambda key: jax.grad(self.loss)(params, key, *conditions)  # noqa: E731
            grads = jax.vmap(one)(keys)
            pairs = jax.tree.map(lambda g: 0.5 * (g[::2] - g[1::2]) ** 2, grads)
            totals = sum(jnp.sum(p.reshape(len(p), -1), axis=1) for p in jax.tree.leaves(pairs))
            summed = lambda tree: jax.tree.map(lambda x: jnp.sum(x, axis=0), tree)  # noqa: E731
            return summed(grads), summed(pairs), totals

        return chunk_sums


def explicit_denoising_gap(
    oracle: Distribution, sde: SDE, score_fn: ScoreFn, t: Float[Array, ""] | float, keys: Array
) -> tuple[Estimate, Estimate, Estimate]:
    """Return ``J_DSM - J_ESM`` at one noise level: measured, by theory, and their difference.

    By theory the gap is half the mean posterior variance of the conditional score, whatever the
    model's score is:
    ``sigma^2/2 E tr Cov[grad log p(x_t|x0) | x_t] = 1/2 (d - sigma^2 E||grad log p_t||^2)``
    (the constant of Vincent 2011's theorem). Here the oracle's ``posterior_trace`` gives it. Losses
    are in nats, with the weighting ``sigma^2``; in units of ``||s||^2`` divide them by ``sigma^2``.
    Each value comes with its standard error. All three use the same draws.

    Args:
      oracle: the law of x0.
      sde: the process that carries x0 to t.
      score_fn: any score.
      t: the time.
      keys: one for each draw.
    """
    explicit, denoising = ExplicitScoreMatching(oracle), DenoisingScoreMatching()
    model, time = BoundModel(sde, score_fn), jnp.asarray(t, float)
    alpha, sigma = sde.alpha(time), sde.sigma(time)

    def one(key):
        data_key, key = jax.random.split(key)
        x0 = oracle.sample(data_key)
        x, _ = add_noise(sde, x0, time, key)
        measured = denoising(model, x0, time, key) - explicit(model, x0, time, key)
        theory = 0.5 * (alpha / sigma) ** 2 * oracle.posterior_trace(x, alpha, sigma)
        return jnp.stack([measured, theory, measured - theory])

    values = jax.jit(jax.vmap(one))(keys)
    means = jnp.mean(values, axis=0)
    errors = jnp.std(values, axis=0, ddof=1) / math.sqrt(len(keys))
    measured, theory, difference = zip(means, errors, strict=True)
    return measured, theory, difference


def denoising_variance(
    oracle: Distribution,
    sde: SDE,
    score_fn: Callable[[Params, Any, Any], Any],
    params: Params,
    t: Float[Array, ""] | float,
    key: Array,
    *,
    samples: int = 4096,
) -> Estimate:
    """Return what denoising adds to the variance of the gradient of explicit score matching.

    Given x_t, the gradient of the denoising loss varies with x0 alone:
    ``E tr Cov[grad loss | x] = sigma^4 E||(grad log p(x|x0) - grad log p(x))^T d_m s||^2``, summed
    over the parameters m, and by Bayes' rule the first factor is ``grad_x log p(x0|x)``. The law of
    total variance makes it the difference of the two total variances. It is zero where the noise of
    the target is orthogonal to all that the parameters can change. The value comes with its
    standard error.

    Args:
      oracle: the law of x0.
      sde: the process that carries x0 to t.
      score_fn: ``(params, x, t) -> s``.
      params: of the model.
      t: the time.
      key: of the draws.
      samples: number of draws.
    """
    time = jnp.asarray(t, float)
    alpha, sigma = sde.alpha(time), sde.sigma(time)

    def one(key: Array) -> Float[Array, ""]:
        data_key, key = jax.random.split(key)
        x, z = add_noise(sde, oracle.sample(data_key), time, key)
        off = -z / sigma - oracle.score(x, alpha, sigma)
        _, pull = jax.vjp(lambda params: score_fn(params, x, time), params)
        (gradient,) = pull(sigma**2 * off)
        return sum((jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient)), jnp.zeros(()))

    return monte_carlo(one, key, samples)
