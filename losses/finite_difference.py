"""Sliced score matching by finite differences, which needs score evaluations only."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.losses.base import add_noise
from gradlog.losses.sliced import SlicedIntegrand, dot_per_slice
from gradlog.models import BoundModel


@dataclass(frozen=True)
class FiniteDifferenceScoreMatching(SlicedIntegrand):
    """``sigma^2 (v^T (s+ - s-)/(2h) + 1/8 ||s+ + s-||^2)``, ``s+- = s(x_t +- h v)``.

    FD-SSM for a score network (Pang et al. 2020, arXiv:2007.03317). It is SSM-VR with central
    differences instead of a Jacobian-vector product and the score: two evaluations for each v. The
    step is ``h = fd_step * sigma``, because the score changes over distances of order sigma. The
    bias is of order ``fd_step^2`` and depends on the parameters. So the minimizer tends to the
    score as the step tends to zero, and equals it if the score is linear in x. The rounding error
    grows as ``1/fd_step``: in float32 the step must be much larger than ``1e-7 |x| / sigma``.

    Raises:
      ValueError: the step is not positive, or ``slices`` is below one.
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
        x, _ = add_noise(process, x0, t, noise_key)
        vs, h = self.directions(slice_key, x), self.fd_step * process.sigma(t)
        plus, minus = (jax.vmap(lambda v, h=h: model.score(x + h * v, t))(vs) for h in (h, -h))
        total = plus + minus
        each = dot_per_slice(vs, plus - minus) / (2 * h) + dot_per_slice(total, total) / 8
        return process.sigma(t) ** 2 * jnp.mean(each)
