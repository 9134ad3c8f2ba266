"""The start of a path: from the datum x0 to x at eps, and the nats of this step.

No path starts at t = 0. Either the datum gets the noise of eps, and the account counts the step; or
the model is a density of x at eps, and there is no step.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel, Decoder
from gradlog.sde_lib import sum_over


class Start(Protocol):
    """A call returns ``x_eps``, and the nats that the account adds to ``log p_eps(x_eps)``."""

    nfe: int  # its score evaluations

    def __call__(
        self, model: BoundModel, x: Float[Array, "*D"], eps: float, key: jax.Array
    ) -> tuple[Float[Array, "*D"], Float[Array, ""]]: ...


@dataclass(frozen=True)
class AsSample:
    """The datum itself is the sample at eps: ``log p_eps(x)`` and a term of zero.

    This is the convention of score_sde and score_flow. It is right for data that were dequantized
    with the noise of the process itself (truncated normal, i-DODE). p_eps is a density like any
    other.
    """

    nfe = 0

    def __call__(self, model: BoundModel, x: Float[Array, "*D"], eps: float, key: jax.Array):
        del model, eps, key
        return x, jnp.zeros(())


AS_SAMPLE = AsSample()


@dataclass(frozen=True)
class Noised:
    """The datum gets the noise of eps; the model's Gaussian ``q(x0 | x_eps)`` reconstructs it.

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
    """Return ``log q(x | x_eps) - log N(x_eps; a x, b^2 I)`` at ``x_eps = a x + b z``.

    With the dequantizer `Decoder`, q is its distribution over the levels. Else
    ``q(x0 | x_eps) = N(x_eps/a + b^2 s/a, (b/a)^2 I)``; the error of its mean is ``-(b/a) (z + b
    s)``. The density of the noise is taken at the draw and not averaged (score_flow uses its
    entropy): the two squares nearly cancel, and so does the variance.
    """
    process = model.process
    if isinstance(model.dequantizer, Decoder):
        log_sigma = process.log_sigma(eps)
        density = 0.5 * jnp.sum(z**2) + sum_over(log_sigma + 0.5 * math.log(2 * math.pi), x)
        rho = jnp.exp(process.log_rho(eps))
        return model.dequantizer.log_decoder(x, x + rho * z, rho) + density
    residual = z + process.sigma(eps) * model.score(process.perturb(x, eps, z), eps)
    return 0.5 * jnp.sum((z - residual) * (z + residual)) + sum_over(process.log_alpha(eps), x)
