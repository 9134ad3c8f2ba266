"""Forms of the bound's integrand at one time and one noise, and a control variate for them.

With ``x_t = alpha x + sigma z`` every form has the expectation ``E(sigma s + z)^2`` in each
dimension. So the bound's integral over ``d(log rho) = g^2/(2 sigma^2) dt`` does not depend on the
form.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.losses.denoising import denoising_residual
from gradlog.models import BoundModel

Scalar = Float[Array, ""]
Value = tuple[Float[Array, "*D"], Float[Array, "*D"]]


def denoising(model: BoundModel, x: Float[Array, "*D"], t: Scalar, z: Float[Array, "*D"]) -> Value:
    """Return ``(sigma s + z)^2`` in nats per log rho, twice: the value, and its square in z.

    ``sigma^2 (s - grad log p(x_t | x))^2`` (Song et al. 2021, arXiv:2101.09258, eq. 13).
    """
    value = denoising_residual(model, x, t, z) ** 2
    return value, value


def sliced(
    model: BoundModel,
    x: Float[Array, "*D"],
    t: Scalar,
    z: Float[Array, "*D"],
    v: Float[Array, "*D"],
) -> Value:
    """Return ``sigma^2 (s^2 + 2 v grad s v) + 1`` and ``sigma^2 s^2``.

    Both are in nats per log rho. The sum of the first is ``||s||^2 + 2 div s`` (Song et al. 2021,
    arXiv:2101.09258, eq. 12), where a probe v with ``E v v^T = I`` estimates the divergence.
    """
    score, product = jax.jvp(lambda y: model.score(y, t), (model.process.perturb(x, t, z),), (v,))
    variance = model.process.sigma(t) ** 2
    return variance * (score**2 + 2 * v * product) + 1, variance * score**2


class Form(Protocol):
    """A form of the integrand by dimension, whose random numbers except z come from a key.

    ``trend`` is the slope over log rho of the log odds of ``square/||z||^2``, for Gaussian data
    with one variance per dimension.
    """

    trend: ClassVar[float]
    jvps: ClassVar[int]

    def __call__(self, model: BoundModel, x, t, z, key: jax.Array) -> Value: ...


@dataclass(frozen=True)
class Denoising:
    """The DSM form: the share of the noise that the denoiser leaves decreases with rho."""

    trend: ClassVar[float] = -2.0
    jvps: ClassVar[int] = 0

    def __call__(self, model: BoundModel, x, t, z, key: jax.Array) -> Value:
        del key
        return denoising(model, x, t, z)


@dataclass(frozen=True)
class Sliced:
    """The SSM form with one vector of random signs: the share of the score increases with rho."""

    trend: ClassVar[float] = 2.0
    jvps: ClassVar[int] = 1

    def __call__(self, model: BoundModel, x, t, z, key: jax.Array) -> Value:
        return sliced(model, x, t, z, jax.random.rademacher(key, x.shape, x.dtype))


FORMS: dict[str, Form] = {"dsm": Denoising(), "ssm": Sliced()}


def control_slopes(
    log_rho: Float[Array, "cells 2"],
    square: Float[Array, "cells 2"],
    noise: Float[Array, "cells 2"],
    trend: float,
) -> Float[Array, "cells 2"]:
    """Return coefficients of the zero-mean control variate ``||z||^2 - d``, each in (0, 1).

    A coefficient is the ratio ``square/||z||^2`` of the cell before, extrapolated to the draw's own
    log rho as for a Gaussian. It depends only on draws of other cells. So the mean of a cell stays
    unbiased, and its two draws stay identically distributed: their difference still shows the
    variance. The first cell assumes Gaussian data of unit variance.
    """
    ratio = jnp.sum(square, axis=1) / jnp.sum(noise, axis=1)
    log_odds = jax.scipy.special.logit(jnp.clip(ratio, 1e-6, 1 - 1e-6))
    before = jnp.stack([jnp.mean(log_rho, axis=1), log_odds])[:, :-1]
    center, log_odds = jnp.pad(before, ((0, 0), (1, 0)))[..., None]
    return jax.nn.sigmoid(log_odds + trend * (log_rho - center))
