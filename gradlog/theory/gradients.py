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

from gradlog.distributions import Estimate, Oracle
from gradlog.losses import DenoisingScoreMatching, ExplicitScoreMatching, ScoreFn, noised
from gradlog.sde_lib import SDE

Params = Any
# ``(params, key, *conditions) -> loss``
LossOfParams = Callable[..., Float[Array, ""]]


@dataclass(frozen=True)
class GradientMoments:
    """Mean and variance of the gradient of one draw of a loss.

    Attributes:
      mean: over the draws, a pytree like the parameters.
      variances: of one draw, for each parameter.
      total_variance: their sum, the trace of the covariance.
      standard_error: of the total variance.
      draws: their number.
    """

    mean: Params
    variances: Params
    total_variance: float
    standard_error: float
    draws: int

    @property
    def mean_norm(self) -> float:
        """``||E g||``, by ``||mean||^2`` less the variance that is in it, where it is more."""
        leaves = jax.tree.leaves(self.mean)
        square = sum(float(np.sum(np.square(leaf, dtype=np.float64))) for leaf in leaves)
        return math.sqrt(max(square - self.total_variance / self.draws, 0.0))


@dataclass(frozen=True)
class GradientMeter:
    """Moments of ``grad loss(params, key, *conditions)`` over independent keys.

    Of two draws a and b, ``1/2 (a - b)^2`` is the variance without bias: pairs give it in one pass
    and are independent, so that their spread tells its standard error. Compiled once, whatever the
    parameters and the conditions.

    Attributes:
      loss: one draw of a loss, of one example or of a batch.
      chunk: gradients held at once, even.

    Raises:
      ValueError: the chunk is odd or not positive; when called, the keys are odd in number or fewer
        than four.
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
        found = [jax.device_get(self._of_chunk(params, some, *conditions)) for some in chunks]
        grads, pairs, totals = zip(*found, strict=True)
        totals = np.concatenate(totals).astype(np.float64)
        return GradientMoments(
            mean=jax.tree.map(lambda *sums: np.sum(sums, axis=0) / len(keys), *grads),
            variances=jax.tree.map(lambda *sums: np.sum(sums, axis=0) / len(totals), *pairs),
            total_variance=float(totals.mean()),
            standard_error=float(totals.std(ddof=1) / math.sqrt(len(totals))),
            draws=len(keys),
        )

    @cached_property
    def _of_chunk(self) -> Callable:
        @jax.jit
        def of_chunk(params, keys, *conditions):
            one = lambda key: jax.grad(self.loss)(params, key, *conditions)  # noqa: E731
            grads = jax.vmap(one)(keys)
            pairs = jax.tree.map(lambda g: 0.5 * (g[::2] - g[1::2]) ** 2, grads)
            totals = sum(jnp.sum(p.reshape(len(p), -1), axis=1) for p in jax.tree.leaves(pairs))
            return _summed(grads), _summed(pairs), totals

        return of_chunk


def gradient_moments(
    loss: LossOfParams, params: Params, keys: Array, *, chunk: int = 64
) -> GradientMoments:
    """Moments of ``grad loss(params, key)`` over the keys, by a meter used once."""
    return GradientMeter(loss, chunk)(params, keys)


def _summed(tree: Any) -> Any:
    return jax.tree.map(lambda x: jnp.sum(x, axis=0), tree)


def explicit_denoising_gap(
    oracle: Oracle, sde: SDE, score_fn: ScoreFn, t: Float[Array, ""] | float, keys: Array
) -> tuple[Estimate, Estimate, Estimate]:
    """``J_DSM - J_ESM`` at one noise level: measured, as theory has it, and their difference.

    The theory: half the mean posterior variance of the conditional score, which no score enters,
    ``sigma^2/2 E tr Cov[grad log p(x_t|x0) | x_t] = 1/2 (d - sigma^2 E||grad log p_t||^2)``
    (the constant of Vincent 2011's theorem), here by the oracle's ``posterior_trace``. Losses are
    in nats, with the weighting ``sigma^2``; in units of ``||s||^2`` all is ``1/sigma^2`` of it.
    Each comes with its standard error, and the three are of the same draws.

    Args:
      oracle: the law of x0.
      sde: carries it to t.
      score_fn: any.
      t: the time.
      keys: of the draws.
    """
    explicit, denoising = ExplicitScoreMatching(oracle), DenoisingScoreMatching()
    time = jnp.asarray(t, float)
    alpha, sigma = sde.alpha(time), sde.sigma(time)

    def one(key):
        data_key, key = jax.random.split(key)
        x0 = oracle.sample(data_key)
        x, _ = noised(sde, x0, time, key)
        measured = denoising(sde, score_fn, x0, time, key) - explicit(sde, score_fn, x0, time, key)
        theory = 0.5 * (alpha / sigma) ** 2 * oracle.posterior_trace(x, alpha, sigma)
        return jnp.stack([measured, theory, measured - theory])

    values = jax.jit(jax.vmap(one))(keys)
    means = jnp.mean(values, axis=0)
    errors = jnp.std(values, axis=0, ddof=1) / math.sqrt(len(keys))
    measured, theory, difference = zip(means, errors, strict=True)
    return measured, theory, difference
