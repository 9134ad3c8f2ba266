"""Sliced score matching by finite differences: evaluations of the score only."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.losses.noising import noised
from gradlog.losses.slices import Slices, dot_each
from gradlog.models import BoundModel


@dataclass(frozen=True)
class FiniteDifferenceScoreMatching(Slices):
    """``sigma^2 (v^T (s+ - s-)/(2h) + 1/8 ||s+ + s-||^2)``, ``s+- = s(x_t +- h v)``.

    FD-SSM for a score network (Pang et al. 2020, arXiv:2007.03317): SSM-VR with central differences
    in the place of a Jacobian-vector product and of the score, two evaluations for each v.
    ``h = fd_step * sigma``: the score changes over distances of order sigma. The bias is of order
    ``fd_step^2`` and depends on the parameters, so the minimizer is the score only as the step
    tends to zero, unless the score is linear in x. Rounding grows as ``1/fd_step``: in float32 the
    step must stay well above ``1e-7 |x| / sigma``.

    Raises:
      ValueError: the step is not positive, or there is no slice.
    """

    fd_step: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.fd_step > 0:
            raise ValueError(f"fd_step must be positive, got {self.fd_step}")

    def __call__(
        self,
        model: BoundModel,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, ""]:
        process = model.process
        noise_key, slice_key = jax.random.split(key)
        x, _ = noised(process, x0, t, noise_key)
        vs, h = self.directions(slice_key, x), self.fd_step * process.sigma(t)
        ahead, behind = (jax.vmap(lambda v, h=h: model.score(x + h * v, t))(vs) for h in (h, -h))
        total = ahead + behind
        each = dot_each(vs, ahead - behind) / (2 * h) + dot_each(total, total) / 8
        return process.sigma(t) ** 2 * jnp.mean(each)
