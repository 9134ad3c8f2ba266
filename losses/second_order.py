"""Second-order denoising score matching."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.losses.base import add_noise
from gradlog.losses.sliced import SlicedIntegrand, dot_per_slice, score_and_derivatives
from gradlog.models import BoundModel


@dataclass(frozen=True)
class SecondOrderDenoising(SlicedIntegrand):
    """Denoising score matching of the score and of its Jacobian along random directions v.

    ``1/2 ||r||^2 + trace_weight/d (mean_v v^T m_v)^2 + jacobian_weight/d mean_v ||m_v||^2``, with
    ``r = sigma s(x_t) + z`` and the mismatch ``m_v = sigma^2 (ds/dx) v + v - r r^T v``, in which r
    is held fixed (Lu et al. 2022, arXiv:2206.08265). Where s is the score, ``E[r r^T | x_t] = I +
    sigma^2 grad^2 log p_t``. The first mean over v estimates ``sigma^2 tr ds/dx + d - ||r||^2``,
    with a smaller error for more ``slices``. The weights must not be negative, and are of order
    one: all terms are of order d.

    This is not explicit score matching plus a constant. The added terms are squares of their own,
    and their targets change with s. The minimizer is the same: where s is the score of p_t, its
    Jacobian is the conditional mean of the targets. Elsewhere the targets have an error of the
    order of the squared error of s. So the added terms help near the score and mislead far from it.

    Raises:
      ValueError: a weight is negative, or ``slices`` is below one.
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
        x, z = add_noise(model.process, x0, t, noise_key)
        sigma, vs = model.process.sigma(t), self.directions(slice_key, x)
        score, derivatives = score_and_derivatives(model.score, x, t, vs)
        residual = sigma * score + z
        fixed = jax.lax.stop_gradient(residual)
        # The target r r^T v - v is a sample of sigma^2 grad^2 log p_t v.
        mismatch = sigma**2 * derivatives - jax.vmap(lambda v: fixed * jnp.vdot(fixed, v) - v)(vs)
        trace = jnp.mean(dot_per_slice(vs, mismatch)) ** 2
        jacobian = jnp.mean(dot_per_slice(mismatch, mismatch))
        second = self.trace_weight * trace + self.jacobian_weight * jacobian
        return 0.5 * jnp.sum(residual**2) + second / x.size
