"""Where a path begins: from the datum x0 to x at eps, and what the step is worth in nats.

No path begins at t = 0. Either the datum is given the kernel's noise and the step is paid for, or
the model is read as a density of x at eps and there is no step.
"""

from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel


class Start(Protocol):
    """``x_eps``, and the term that belongs to the account beside ``log p_eps(x_eps)``, in nats."""

    nfe: int  # values of the score it needs

    def __call__(
        self, model: BoundModel, x: Float[Array, "*D"], eps: float, key: jax.Array
    ) -> tuple[Float[Array, "*D"], Float[Array, ""]]: ...


@dataclass(frozen=True)
class AsSample:
    """The datum is the sample at eps, as it is: ``log p_eps(x)`` and a term of zero.

    The convention of score_sde and score_flow, and right for data that was dequantized with the
    kernel's own noise (truncated normal, i-DODE). p_eps is a density like any other.
    """

    nfe = 0

    def __call__(self, model: BoundModel, x: Float[Array, "*D"], eps: float, key: jax.Array):
        del model, eps, key
        return x, jnp.zeros(())


AS_SAMPLE = AsSample()


@dataclass(frozen=True)
class Noised:
    """The datum is noised to eps and read back by the model's Gaussian ``q(x0 | x_eps)``.

    ``log p_0(x) >= E[log p_eps(x_eps) + log q(x | x_eps) - log N(x_eps; a x, b^2 I)]`` (Song et al.
    2021, arXiv:2101.09258, appendix C), with a, b = alpha, sigma at eps.
    """

    nfe = 1

    def __call__(self, model: BoundModel, x: Float[Array, "*D"], eps: float, key: jax.Array):
        z = jax.random.normal(key, x.shape)
        return model.process.perturb(x, eps, z), reconstruction(model, x, eps, z)


def reconstruction(
    model: BoundModel, x: Float[Array, "*D"], eps: float, z: Float[Array, "*D"]
) -> Float[Array, ""]:
    """``log q(x | x_eps) - log N(x_eps; a x, b^2 I)`` at ``x_eps = a x + b z``.

    ``q(x0 | x_eps) = N(x_eps/a + b^2 s/a, (b/a)^2 I)``: the error of its mean is
    ``-(b/a) (z + b s)``. The kernel's density is taken at the draw, not on average (its entropy, as
    score_flow has it): the two squares nearly cancel, and with them the variance.
    """
    process = model.process
    residual = z + process.sigma(eps) * model.score(process.perturb(x, eps, z), eps)
    return 0.5 * jnp.sum((z - residual) * (z + residual)) + x.size * process.log_alpha(eps)
