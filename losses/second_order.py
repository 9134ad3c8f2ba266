"""Second-order denoising score matching."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.losses.noising import noised
from gradlog.losses.slices import Slices, dot_each, score_and_derivatives
from gradlog.models import BoundModel


@dataclass(frozen=True)
class SecondOrderDenoising(Slices):
    """Denoising score matching of the score and of its Jacobian along random directions v.

    ``1/2 ||r||^2 + trace_weight/d (mean_v v^T m_v)^2 + jacobian_weight/d mean_v ||m_v||^2`` with
    ``r = sigma s(x_t) + z`` and the mismatch ``m_v = sigma^2 (ds/dx) v + v - r r^T v``, r held
    fixed in it (Lu et al. 2022, arXiv:2206.08265: ``E[r r^T | x_t]`` is
    ``I + sigma^2 grad^2 log p_t`` where s is the score). The mean over v of the first is
    ``sigma^2 tr ds/dx + d - ||r||^2``, of which more ``slices`` are a better estimate. The weights,
    which must not be negative, are of order one: all terms are of order d.

    Unlike the others it is not explicit score matching plus a constant: the terms added are
    squares of their own, and their target moves with s. The minimizer is the same, for where s is
    the score of p_t its Jacobian is the conditional mean of the targets. Elsewhere the targets err
    by the square of the error of s: they help near the score, and far from it they mislead.

    Raises:
      ValueError: a weight is negative, or there is no slice.
    """

    trace_weight: float = 1.0
    jacobian_weight: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trace_weight < 0 or self.jacobian_weight < 0:
            raise ValueError(
                "trace_weight and jacobian_weight must not be negative, got "
                f"{self.trace_weight} and {self.jacobian_weight}"
            )

    def __call__(
        self,
        model: BoundModel,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, ""]:
        noise_key, slice_key = jax.random.split(key)
        x, z = noised(model.process, x0, t, noise_key)
        sigma, vs = model.process.sigma(t), self.directions(slice_key, x)
        score, derivatives = score_and_derivatives(model.score, x, t, vs)
        residual = sigma * score + z
        mismatch = sigma**2 * derivatives - self._targets(jax.lax.stop_gradient(residual), vs)
        trace = jnp.mean(dot_each(vs, mismatch)) ** 2
        jacobian = jnp.mean(dot_each(mismatch, mismatch))
        second = self.trace_weight * trace + self.jacobian_weight * jacobian
        return 0.5 * jnp.sum(residual**2) + second / x.size

    @staticmethod
    def _targets(
        residual: Float[Array, "*D"], vs: Float[Array, "slices *D"]
    ) -> Float[Array, "slices *D"]:
        """``r r^T v - v``, the sample of ``sigma^2 grad^2 log p_t v``."""
        return jax.vmap(lambda v: residual * jnp.vdot(residual, v) - v)(vs)
